"""An ISO 9660 image that boots a ramdisk: on BIOS, on UEFI, and where Secure Boot is on.

One is made for each ramdisk, with two empty places in it: GRUB's configuration and a small initramfs. What
stands there is a machine's own and is laid over the file when it is read (`pxe/media/own_part.py`), so that
nothing is written for each machine.

El Torito's boot catalogue has GRUB for BIOS, without emulation, and for UEFI (section 13.3.2.1) a FAT image:
shim, and the GRUB for CDs that Debian signs, which reads /boot/grub/grub.cfg of the CD it came from.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pycdlib

from pxe.build.disk import FIXED_TIME, MIB, SECTOR, copy_into_fat
from pxe.images import Ramdisk
from pxe.process import ProcessError, require, run

CONFIGURATION = "boot/grub/grub.cfg"
OWN_INITRAMFS = "boot/own.cpio"
PLACES = {CONFIGURATION: 8 << 10, OWN_INITRAMFS: 128 << 10}  # bytes that a machine's own part may have
KERNEL, INITRAMFS = "boot/kernel", "boot/initramfs"

# What UEFI starts, and the Debian package of it. shim is signed by Microsoft; GRUB and the kernel by Debian.
_LOADERS = {
    "EFI/BOOT/BOOTX64.EFI": (Path("/usr/lib/shim/shimx64.efi.signed"), "shim-signed"),
    "EFI/BOOT/mmx64.efi": (Path("/usr/lib/shim/mmx64.efi.signed"), "shim-helpers-amd64-signed"),
    "EFI/BOOT/grubx64.efi": (
        Path("/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed"),
        "grub-efi-amd64-signed",
    ),
}
_BIOS_GRUB = Path("/usr/lib/grub/i386-pc")
_BIOS_MODULES = ("biosdisk", "iso9660", "normal", "configfile", "linux", "echo", "sleep")
_ESP_SIZE = 8 * MIB
_CD_SECTOR = 2048
_LAYOUT = b"1"  # another one when what is below makes other bytes of the same files


@dataclass(frozen=True)
class BootISO:
    """`places`: where each machine's own part goes, path on the CD → (offset, size) in bytes."""

    path: Path
    size: int
    places: dict[str, tuple[int, int]]


def fingerprint(ramdisk: Ramdisk) -> str:
    """The name of the ISO that this ramdisk and this machine's boot loaders make, on whichever seed."""
    digest = hashlib.sha256(_LAYOUT + ramdisk.sha512.encode())
    for path in (*_loaders().values(), *_bios_parts()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def build(ramdisk: Ramdisk, target: Path) -> None:
    """Make the ISO; raises ProcessError naming what is not installed. Needs no root and mounts nothing."""
    require("xorriso", "grub-mkimage", "mformat")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".iso-") as scratch:
        tree = Path(scratch)
        fill_esp_image(tree / "efi.img")
        bios = ("-O", "i386-pc-eltorito", "-p", "/boot/grub", "-o", tree / "bios.img")
        run(["grub-mkimage", *bios, "-d", _BIOS_GRUB, *_BIOS_MODULES])
        files = {KERNEL: ramdisk.kernel, INITRAMFS: ramdisk.initramfs, ".disk/info": tree / "info"}
        files |= {"boot/efi.img": tree / "efi.img", "boot/bios.img": tree / "bios.img"}
        (tree / "info").write_text(f"{ramdisk.name}\n")  # by this file Debian's GRUB knows its CD
        for number, (path, size) in enumerate(PLACES.items()):
            files[path] = tree / f"place{number}"
            files[path].write_bytes(bytes([number]) * size)
        _master(files, tree / "iso")
        (tree / "iso").replace(target)


def fill_esp_image(path: Path) -> None:
    """The FAT image that UEFI looks into."""
    with path.open("wb") as file:
        file.truncate(_ESP_SIZE)
    # FAT16: FAT32 would have to be four times as large, and firmware reads it from a slow virtual CD.
    sectors = str(_ESP_SIZE // SECTOR)
    run(["mformat", "-i", path, "-T", sectors, "-N", "75636973", "-v", "ESP", "::"], env=FIXED_TIME)
    copy_into_fat(str(path), _loaders())


def _master(files: dict[str, Path], target: Path) -> None:
    # xorriso: mkisofs' options. The boot info table is how GRUB for BIOS finds the rest of itself.
    bios = ("-b", "boot/bios.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table")
    uefi = ("-eltorito-alt-boot", "-e", "boot/efi.img", "-no-emul-boot")
    grafts = [f"{path}={source}" for path, source in files.items()]
    argv: list[str | Path] = ["xorriso", "-as", "mkisofs", "-quiet", "-r", "-V", "UNDERCLOUD", "-o", target]
    argv += ["--set_all_file_dates", f"={FIXED_TIME['SOURCE_DATE_EPOCH']}"]
    run([*argv, *bios, "--grub2-boot-info", *uefi, "-graft-points", *grafts], env=FIXED_TIME)


def load(path: Path) -> BootISO:
    """Read where the places are."""
    iso = pycdlib.PyCdlib()
    iso.open(str(path))
    try:
        places = {name: _place(iso, name) for name in PLACES}
    finally:
        iso.close()
    return BootISO(path, path.stat().st_size, places)


def _place(iso: pycdlib.PyCdlib, name: str) -> tuple[int, int]:
    record = iso.get_record(rr_path=f"/{name}")
    return record.extent_location() * _CD_SECTOR, record.get_data_length()


def _loaders() -> dict[str, Path]:
    for path, package in _LOADERS.values():
        if not path.exists():
            raise ProcessError(f"{path} is missing. Install it with: apt-get install {package}")
    return {name: path for name, (path, _) in _LOADERS.items()}


def _bios_parts() -> list[Path]:
    """What GRUB's image for BIOS is made of."""
    if not _BIOS_GRUB.is_dir():
        raise ProcessError(f"{_BIOS_GRUB} is missing. Install it with: apt-get install grub-pc-bin")
    return [_BIOS_GRUB / "cdboot.img", _BIOS_GRUB / "kernel.img"]
