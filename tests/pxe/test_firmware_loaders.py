"""First-stage loaders: staged as Debian ships them, and each architecture has one at most."""

from __future__ import annotations

from pathlib import Path

import pytest

from pxe.firmware import LOADERS, Loader, LoaderMissing, stage


def test_an_architecture_has_one_loader() -> None:
    codes = [code for loader in LOADERS for code in loader.architectures]
    assert len(codes) == len(set(codes))


def test_staging_twice_is_staging_once_and_repairs_what_was_damaged(tmp_path: Path) -> None:
    if not all(loader.path.exists() for loader in LOADERS):
        pytest.skip("the package ipxe is not installed")
    root = tmp_path / "state" / "tftp"
    stage(root)
    first = root / LOADERS[0].filename
    first.write_bytes(b"half of")
    untouched = (root / LOADERS[1].filename).stat()
    stage(root)
    assert {path.name: path.read_bytes() for path in root.iterdir()} == {
        loader.filename: loader.path.read_bytes() for loader in LOADERS
    }
    assert (root / LOADERS[1].filename).stat() == untouched


def test_a_loader_that_is_not_there_names_its_package(tmp_path: Path) -> None:
    with pytest.raises(LoaderMissing) as error:
        stage(tmp_path, (Loader("absent.efi", (16,), package="some-package"),))
    assert str(error.value) == "/usr/lib/ipxe/absent.efi is missing: apt-get install some-package"
    assert list(tmp_path.iterdir()) == []
