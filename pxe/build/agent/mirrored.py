"""From one disk that an image was written to, two that are the same host."""

from __future__ import annotations

from pathlib import Path

from ironic_python_agent import efi_utils

from . import raid
from .order import NotWritten
from .partitions import ESP, partitions, stretch

LABEL = "second disk of the RAID"
# What firmware starts of a disk that it was told nothing about (UEFI 2.10 section 3.5.1.1).
_LOADER = "\\EFI\\BOOT\\BOOTX64.EFI"


def mirror(disks: tuple[str, str], length: int, config_drive: bytes | None) -> None:
    """Have the image of the first disk, `length` bytes, on both, with its last partition as RAID 1."""
    first, second = disks
    raid.copy(first, second, length)
    *_, root = partitions(first)
    for disk in disks:
        stretch(disk, config_drive, grow=root, anew=disk == second)
    raid.create(root.device(disk) for disk in disks)
    if Path("/sys/firmware/efi").exists():
        _enter(second)


def _enter(disk: str) -> None:
    """An entry for the second disk; the agent writes the first's later, which comes before it."""
    for number, label, *_ in list(efi_utils.get_boot_records()):
        if label == LABEL:  # of an earlier deploy
            efi_utils.remove_boot_record(number)
    system = [each.number for each in partitions(disk) if each.kind == ESP]
    if not system:
        raise NotWritten("the image has no EFI system partition, and this machine boots by UEFI")
    efi_utils.add_boot_record(disk, system[0], _LOADER, LABEL)
