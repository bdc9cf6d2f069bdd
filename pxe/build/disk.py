"""A bootable whole-disk image without mounts or loop devices: partitions, file systems, BIOS boot code.

Works in containers and on kernels that cannot mount FAT or scan partitions: every file system is made
in place, at its partition's offset in the image file.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pxe.process import ProcessError, run

SECTOR = 512
MIB = 1 << 20
# 1980, where FAT's time begins: the same files, the same bytes.
FIXED_TIME = {"SOURCE_DATE_EPOCH": "315532800"}
# A GPT keeps 33 sectors at the end of the disk for its second copy; partitions start and end on whole MiB.
_GPT_TAIL = MIB


@dataclass(frozen=True)
class Partition:
    """One GPT partition; `start` and `size` in bytes, `type_code` as sgdisk writes it."""

    number: int
    name: str
    type_code: str
    start: int
    size: int

    @property
    def first_sector(self) -> int:
        """Where it begins, as firmware counts."""
        return self.start // SECTOR

    @property
    def last_sector(self) -> int:
        """Its last sector, inclusive."""
        return (self.start + self.size) // SECTOR - 1


@dataclass(frozen=True)
class Layout:
    """BIOS boot partition for GRUB's core image, EFI system partition, root to the end; sizes in bytes."""

    size: int
    bios: Partition
    esp: Partition
    root: Partition


def layout(size: int, esp_size: int = 64 * MIB) -> Layout:
    """Lay out a disk of `size` bytes. Root comes last, so that it can grow on a larger disk."""
    bios = Partition(1, "bios", "ef02", MIB, MIB)
    esp = Partition(2, "esp", "ef00", 2 * MIB, esp_size)
    root_start = esp.start + esp.size
    root_size = (size - _GPT_TAIL - root_start) // MIB * MIB
    if root_size < 256 * MIB:
        raise ProcessError(f"A disk of {size // MIB} MiB leaves no room for a root file system.")
    return Layout(size, bios, esp, Partition(3, "root", "8300", root_start, root_size))


def partition(image: Path, plan: Layout) -> None:
    """Create the sparse image file and write its partition table."""
    with image.open("wb") as file:
        file.truncate(plan.size)
    arguments = []
    for part in (plan.bios, plan.esp, plan.root):
        arguments += [
            f"--new={part.number}:{part.first_sector}:{part.last_sector}",
            f"--typecode={part.number}:{part.type_code}",
            f"--change-name={part.number}:{part.name}",
        ]
    run(["sgdisk", "--clear", *arguments, image])


def fill_esp(image: Path, esp: Partition, volume_id: str, files: Mapping[str, Path]) -> None:
    """Make a FAT file system and copy files in: path there → file here. `volume_id`: 8 hex digits."""
    drive = f"{image}@@{esp.start}"
    sectors = esp.size // SECTOR
    # -c 1: one sector per cluster, else 64 MiB are too few clusters for FAT32.
    run(["mformat", "-i", drive, "-F", "-c", "1", "-T", str(sectors), "-N", volume_id, "-v", "ESP", "::"])
    copy_into_fat(drive, files)


def copy_into_fat(drive: str, files: Mapping[str, Path]) -> None:
    """Copy files into a FAT file system: path there → file here. `drive` as mtools write it: FILE@@OFFSET."""
    for folder in sorted({str(parent) for path in files for parent in Path(path).parents if parent.name}):
        run(["mmd", "-i", drive, f"::/{folder}"], env=FIXED_TIME)
    for path, source in files.items():
        run(["mcopy", "-i", drive, source, f"::/{path}"], env=FIXED_TIME)


def fill_root(image: Path, root: Partition, tree: Path, uuid: str) -> None:
    """Make an ext4 file system in the root partition with the content of `tree`, owners and all."""
    # Not lazy: else the first boot initialises inode tables in the background, when speed matters.
    options = f"offset={root.start},lazy_itable_init=0,lazy_journal_init=0"
    names = ("-L", "root", "-U", uuid)
    size = f"{root.size // 1024}k"
    run(["mke2fs", "-q", "-F", "-t", "ext4", *names, "-m", "1", "-d", tree, "-E", options, image, size])


# Offsets from GRUB's boot.S and diskboot.S (include/grub/i386/pc/boot.h).
_KERNEL_SECTOR = 0x5C
_DRIVE_CHECK = 0x66
_CODE_END = 446  # the rest of the sector is the partition table
_BLOCKLIST = 0x1F4
_NOP2 = b"\x90\x90"


def patch_boot_sector(boot: bytes, core_sector: int) -> bytes:
    """GRUB's boot.img told where its core image is, cut to the 446 bytes that are code."""
    patched = bytearray(boot[:_CODE_END])
    patched[_KERNEL_SECTOR : _KERNEL_SECTOR + 8] = struct.pack("<Q", core_sector)
    # As grub-setup does for hard disks: some firmware passes a wrong boot drive, do not check it.
    patched[_DRIVE_CHECK : _DRIVE_CHECK + 2] = _NOP2
    return bytes(patched)


def patch_core(core: bytes, core_sector: int) -> bytes:
    """GRUB's core image with a block list saying that the rest of it follows its first sector."""
    sectors = -(-len(core) // SECTOR) - 1
    patched = bytearray(core)
    start, length = struct.pack("<Q", core_sector + 1), struct.pack("<H", sectors)
    patched[_BLOCKLIST : _BLOCKLIST + 10] = start + length
    return bytes(patched)


def install_bios_grub(image: Path, bios: Partition, boot: bytes, core: bytes) -> None:
    """Write GRUB for BIOS machines into the boot sector and the BIOS boot partition."""
    if len(core) > bios.size:
        raise ProcessError(
            f"GRUB's core image ({len(core)} bytes) does not fit into the BIOS boot partition."
        )
    with image.open("r+b") as file:
        file.write(patch_boot_sector(boot, bios.first_sector))
        file.seek(bios.start)
        file.write(patch_core(core, bios.first_sector))
