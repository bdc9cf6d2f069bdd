"""First-stage loaders: staged as Debian ships them, and every architecture of the registry has an answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from firmware_table import complete

from pxe.firmware import (
    ARCHITECTURES,
    LOADERS,
    REQUIRED,
    SHIM_X64,
    UNDIONLY,
    LoaderMissing,
    UEFILoader,
    has_loader,
    path_of,
    stage,
)

IPXE, GRUB = UEFILoader


@pytest.mark.parametrize(
    ("code", "ipxe", "signed"),
    [
        (0, "undionly.kpxe", "undionly.kpxe"),  # BIOS knows no Secure Boot
        (6, None, None),
        (7, "snponly.efi", "shimx64.efi"),
        (9, "snponly.efi", "shimx64.efi"),
        (11, "ipxe-arm64.efi", "shimaa64.efi"),
        (15, None, None),
        (16, "snponly.efi", None),
        (19, "ipxe-arm64.efi", None),
        (27, None, None),
    ],
)
def test_what_an_architecture_boots(code: int, ipxe: str | None, signed: str | None) -> None:
    each = ARCHITECTURES[code]
    names = [loader.filename if loader else None for loader in (each.loader(IPXE), each.loader(GRUB))]
    assert names == [ipxe, signed]
    assert each.http is ("HTTP" in each.name)


def test_shim_fetches_the_grub_of_its_own_architecture() -> None:
    """shim asks for a fixed name beside itself: grub and UEFI's suffix (specification, section 3.5.1.1)."""
    for code, suffix in ((7, "x64"), (11, "aa64")):
        shim = complete()[code].signed
        assert shim is not None
        assert [part.filename for part in shim.chain()] == [f"shim{suffix}.efi", f"grub{suffix}.efi"]


def test_what_is_not_registered_or_not_installed_has_no_loader() -> None:
    assert has_loader(0)
    assert has_loader(16)
    assert not has_loader(27)
    assert not has_loader(4711)
    assert has_loader(11) is Path("/usr/lib/ipxe/ipxe-arm64.efi").exists()
    assert path_of("../../../etc/passwd") is None


def test_staging_twice_is_staging_once_and_repairs_what_was_damaged(tmp_path: Path) -> None:
    if not all(loader.there for loader in REQUIRED):
        pytest.skip("the package ipxe is not installed")
    root = tmp_path / "state" / "tftp"
    stage(root)
    first = root / REQUIRED[0].filename
    first.write_bytes(b"half of")
    untouched = (root / REQUIRED[1].filename).stat()
    stage(root)
    assert {path.name: path.read_bytes() for path in root.iterdir()} == {
        loader.filename: loader.path.read_bytes() for loader in LOADERS if loader.path.exists()
    }
    assert (root / REQUIRED[1].filename).stat() == untouched


def test_a_loader_that_is_not_there_names_its_package(tmp_path: Path) -> None:
    absent = replace(UNDIONLY, path=Path("/usr/lib/ipxe/absent.efi"), package="some-package")
    with pytest.raises(LoaderMissing) as error:
        stage(tmp_path, required=(absent,))
    assert str(error.value) == "/usr/lib/ipxe/absent.efi is missing: apt-get install some-package"
    with pytest.raises(LoaderMissing, match="apt-get install some-package"):
        stage(tmp_path, required=(replace(SHIM_X64, path=Path(__file__), then=absent),))
    assert list(tmp_path.iterdir()) == []
