"""What the ramdisk's own files do, and that packing them twice gives the same bytes."""

from __future__ import annotations

import os
import shutil
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from pxe.build import agent_system, initramfs
from pxe.build.mirror import read_mirrors
from pxe.build.tree import FILES
from pxe.process import ProcessError

RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_CODENAME=bookworm\n'
DEPENDENCIES = """\
kernel/drivers/block/loop.ko:
kernel/fs/squashfs/squashfs.ko: kernel/lib/lz4/lz4_decompress.ko kernel/lib/xxhash.ko
kernel/lib/lz4/lz4_decompress.ko:
kernel/lib/xxhash.ko:
"""


def a_tree(folder: Path, *, written_at: float) -> Path:
    """As much of a system as is packed; only the times of its files differ between two of them."""
    modules = folder / "usr/lib/modules/6.1.0-1-cloud-amd64"
    files = {
        "usr/bin/busybox": b"\x7fELF",
        "usr/lib/modules/6.1.0-1-cloud-amd64/modules.dep": DEPENDENCIES.encode(),
        "usr/lib/modules/6.1.0-1-cloud-amd64/modules.builtin": b"kernel/fs/overlayfs/overlay.ko\n",
    }
    files |= {
        f"{modules.relative_to(folder)}/{line.split(':')[0]}": line.encode()
        for line in DEPENDENCIES.splitlines()
    }
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    agent_system.write_system(folder, 1_767_225_600)
    for written in folder.rglob("*"):
        os.utime(written, (written_at, written_at), follow_symlinks=False)
    return folder


@pytest.mark.skipif(not shutil.which("mksquashfs", path="/usr/bin:/usr/sbin"), reason="needs squashfs-tools")
def test_the_same_tree_gives_the_same_bytes_whenever_it_is_packed(tmp_path: Path) -> None:
    packed = []
    for name, when in (("first", 1_000_000_000.0), ("second", 1_600_000_000.0)):
        tree = a_tree(tmp_path / name, written_at=when)
        initramfs.pack(tree, tmp_path, tmp_path / f"{name}.initramfs", 1_767_225_600)
        packed.append((tmp_path / f"{name}.initramfs").read_bytes())
    assert packed[0] == packed[1]
    assert b"hsqs" in packed[0]  # the magic of a squashfs: the system is in it


def test_modules_are_loaded_after_those_that_they_need(tmp_path: Path) -> None:
    order = [path.stem for path in initramfs.first_modules(a_tree(tmp_path, written_at=0))]
    assert order[0] == "loop"
    assert order.index("lz4_decompress") < order.index("squashfs")
    assert order.index("xxhash") < order.index("squashfs")
    assert "overlay" not in order  # it is built into this kernel


def test_a_kernel_that_cannot_read_the_system_is_refused(tmp_path: Path) -> None:
    tree = a_tree(tmp_path, written_at=0)
    next(tree.glob("usr/lib/modules/*/modules.builtin")).write_text("")
    with pytest.raises(ProcessError, match="no module overlay"):
        initramfs.first_modules(tree)


def launcher() -> Any:
    """The program that starts the agent, as a module."""
    loader = SourceFileLoader("launcher", str(FILES / "usr/lib/undercloud/agent"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("command_line", "address"),
    [
        ("quiet ipa-api-url=http://192.0.2.1:8080 BOOTIF=x", "192.0.2.1"),
        (
            "ipa-inspection-callback-url=https://192.0.2.9/v1 ipa-api-url=http://192.0.2.1,http://b",
            "192.0.2.1",
        ),
        ("ipa-api-url=http://[2001:db8::1]:8080", "2001:db8::1"),
        ("ipa-api-url=http://seed.example.test:8080", "198.51.100.1"),
        ("quiet", "198.51.100.1"),
    ],
)
def test_the_agent_starts_when_there_is_a_route_to_where_it_will_call(
    command_line: str, address: str
) -> None:
    assert launcher().seed_address(command_line) == address


def test_a_route_is_found_without_sending_anything() -> None:
    assert launcher().own_address("127.0.0.1") == "127.0.0.1"


def release(folder: Path) -> Path:
    (folder / "os-release").write_text(RELEASE)
    return folder / "os-release"


def test_a_mirror_is_a_url_or_a_line_of_sources_list(tmp_path: Path) -> None:
    archive = read_mirrors(
        [
            "http://mirror.example.test/debian",
            f"deb [trusted=yes] file://{tmp_path} bookworm main non-free-firmware",
            "deb [signed-by=/k.gpg] https://mirror.example.test/own ./",
        ],
        release(tmp_path),
    )
    lines = [source.line() for source in archive.sources]
    assert archive.codename == "bookworm"
    assert archive.has("non-free-firmware")
    assert lines[0].endswith("http://mirror.example.test/debian bookworm main")
    assert lines[1] == f"deb [trusted=yes] copy:{tmp_path} bookworm main non-free-firmware"
    assert lines[2] == "deb [signed-by=/k.gpg] https://mirror.example.test/own ./"


def test_a_flat_archive_is_of_this_machines_release(tmp_path: Path) -> None:
    assert read_mirrors(["deb http://mirror.example.test/own ./"], release(tmp_path)).codename == "bookworm"


@pytest.mark.parametrize(
    ("mirror", "said"),
    [
        ("ftp://mirror.example.test/debian", "no mirror"),
        ("mirror.example.test", "no mirror"),
        ("file:///no/such/folder", "no folder /no/such/folder"),
        ("deb http://mirror.example.test", "sources.list"),
        ("deb [arch=amd64] http://mirror.example.test bookworm main", "option arch"),
    ],
)
def test_what_is_no_mirror_is_refused(tmp_path: Path, mirror: str, said: str) -> None:
    with pytest.raises(ProcessError, match=said):
        read_mirrors([mirror], release(tmp_path))
