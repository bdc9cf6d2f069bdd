"""The boot ISO as firmware, GRUB and a BMC that reads it in pieces see it."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pycdlib
import pytest

from pxe.build.manifest import MANIFEST, Manifest, describe
from pxe.images import Ramdisk, load_ramdisk
from pxe.media import boot_iso
from pxe.media.own_part import NETWORK_DATA, TooLarge, content, own_part

ARGUMENTS = ("console=ttyS0,115200", "ipa-api-url=http://192.0.2.1:8080")
NETWORK = {"links": [{"id": "nic", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:01"}]}


@pytest.fixture(scope="module")
def ramdisk(tmp_path_factory: pytest.TempPathFactory) -> Ramdisk:
    folder = tmp_path_factory.mktemp("images") / "ramdisk-cloud"
    folder.mkdir()
    (folder / "kernel").write_bytes(b"kernel" * 1000)
    (folder / "initramfs").write_bytes(b"initramfs" * 300_000)
    files = {name: describe(folder / name) for name in ("kernel", "initramfs")}
    manifest = Manifest(
        name=folder.name,
        kind="ramdisk",
        parts={name: name for name in files},
        files=files,
        size=0,
        built="",
        recipe="",
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return load_ramdisk(folder.parent, folder.name)


@pytest.fixture(scope="module")
def iso(ramdisk: Ramdisk, tmp_path_factory: pytest.TempPathFactory) -> boot_iso.BootISO:
    target = tmp_path_factory.mktemp("iso") / "boot.iso"
    boot_iso.build(ramdisk, target)
    return boot_iso.load(target)


@pytest.fixture(scope="module")
def own() -> dict[str, bytes]:
    return own_part("node-1", ARGUMENTS, NETWORK)


@pytest.fixture
def cd(iso: boot_iso.BootISO, own: dict[str, bytes]) -> Iterator[pycdlib.PyCdlib]:
    opened = pycdlib.PyCdlib()
    opened.open_fp(io.BytesIO(b"".join(content(iso, own, 0, iso.size))))
    yield opened
    opened.close()


def read(cd: pycdlib.PyCdlib, path: str) -> bytes:
    found = io.BytesIO()
    cd.get_file_from_iso_fp(found, rr_path=path)
    return found.getvalue()


def test_holds_the_ramdisk_and_one_machines_part(cd: pycdlib.PyCdlib, ramdisk: Ramdisk) -> None:
    assert read(cd, "/boot/kernel") == ramdisk.kernel.read_bytes()
    assert read(cd, "/boot/initramfs") == ramdisk.initramfs.read_bytes()
    configuration = read(cd, "/boot/grub/grub.cfg").decode()
    assert "linux /boot/kernel console=ttyS0,115200 ipa-api-url=http://192.0.2.1:8080\n" in configuration
    assert "initrd /boot/own.cpio /boot/initramfs\n" in configuration


def test_boots_on_bios_and_uefi(iso: boot_iso.BootISO) -> None:
    argv = ["xorriso", "-indev", str(iso.path), "-report_el_torito", "plain"]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    images = [line.split(":")[1].split() for line in told.splitlines() if "boot img :" in line]
    assert [(words[1], words[3]) for words in images] == [("BIOS", "none"), ("UEFI", "none")]


def test_shim_and_signed_grub_are_what_uefi_finds(cd: pycdlib.PyCdlib, tmp_path: Path) -> None:
    (tmp_path / "efi.img").write_bytes(read(cd, "/boot/efi.img"))
    for path, source in (
        ("EFI/BOOT/BOOTX64.EFI", "/usr/lib/shim/shimx64.efi.signed"),
        ("EFI/BOOT/grubx64.efi", "/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed"),
    ):
        argv = ["mcopy", "-i", str(tmp_path / "efi.img"), f"::/{path}", "-"]
        assert subprocess.run(argv, capture_output=True, check=True).stdout == Path(source).read_bytes()


def test_linux_finds_the_network_in_the_initramfs(cd: pycdlib.PyCdlib, tmp_path: Path) -> None:
    archive = read(cd, "/boot/own.cpio")
    subprocess.run(["cpio", "-id", "--quiet"], input=archive, cwd=tmp_path, check=True)
    assert json.loads((tmp_path / NETWORK_DATA).read_text()) == NETWORK


def test_any_piece_is_a_piece_of_the_whole(iso: boot_iso.BootISO, own: dict[str, bytes]) -> None:
    whole = b"".join(content(iso, own, 0, iso.size))
    assert len(whole) == iso.size
    for start, size in iso.places.values():
        for first, last in (
            (start - 7, start + 7),
            (start + 5, start + size - 5),
            (start + size - 3, iso.size),
        ):
            assert b"".join(content(iso, own, first, last)) == whole[first:last]
    assert whole != iso.path.read_bytes()


def test_every_seed_makes_the_same_bytes(iso: boot_iso.BootISO, ramdisk: Ramdisk, tmp_path: Path) -> None:
    boot_iso.build(ramdisk, tmp_path / "again.iso")
    assert (tmp_path / "again.iso").read_bytes() == iso.path.read_bytes()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(TooLarge, match=r"grub\.cfg has \d+ bytes, and place for 8192"):
        own_part("node-1", ("x" * 9000,), None)


def test_grub_reads_arguments_as_they_were_meant() -> None:
    text = own_part("node-1", ("a=b", "dyndbg=file x.c +p; echo 'no'"), None)["boot/grub/grub.cfg"].decode()
    assert r"linux /boot/kernel a=b 'dyndbg=file x.c +p; echo '\''no'\'''" in text
