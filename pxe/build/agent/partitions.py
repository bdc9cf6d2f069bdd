"""The partition table of an image on a disk that is larger than it, and a place for the config drive."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .order import NotWritten
from .target import MIB, Target

CONFIG_DRIVE = 64 * MIB  # as the agent makes it: the most that Ironic lets one have
_GPT_TAIL = 33  # sectors of 512 bytes, or fewer of larger ones, for the second copy
_LARGEST_ISO_SECTOR = 2048  # ECMA-119: a disk with larger sectors gives no ISO 9660 file system


def has_gpt(disk: str) -> bool:
    """Whether the image that was written has a GUID partition table (UEFI 2.10 section 5.3.2), else an MBR's.

    Raises NotWritten where it has neither: the disk would boot nothing.
    """
    with Path(disk).open("rb") as file:
        first = file.read(512)
        file.seek(sector_size(disk))
        if file.read(8) == b"EFI PART":
            return True
    if first[510:] == b"\x55\xaa":
        return False
    raise NotWritten(
        f"{disk} has no partition table now that the image is on it: it is no image of a whole disk, or was "
        f"made for sectors of another size than the disk's {sector_size(disk)} bytes"
    )


def sector_size(disk: str) -> int:
    """Of the disk, in bytes; 512 for a file."""
    told = Path("/sys/class/block", Path(disk).name, "queue/logical_block_size")
    return int(told.read_text()) if told.exists() else 512


def takes_iso(disk: str) -> bool:
    return sector_size(disk) <= _LARGEST_ISO_SECTOR


def stretch(disk: str, config_drive: bytes | None) -> None:
    """Move the second copy of the GPT to the disk's end; write the config drive into a partition before it.

    One call of sgdisk, since each waits a second for the kernel; the partition's place is chosen here, so
    that no device node has to appear before it is written. Raises NotWritten.
    """
    with Target(disk) as target:
        sector = sector_size(disk)
        end = target.size // sector - _GPT_TAIL - 1
        start = (end * sector - CONFIG_DRIVE) // MIB * MIB
        if config_drive is not None:
            if len(config_drive) > CONFIG_DRIVE:
                raise NotWritten(
                    f"the config drive has {len(config_drive)} bytes, {CONFIG_DRIVE} is the most"
                )
            target.put_bytes(start, config_drive)
        target.sync()
    new = (
        []
        if config_drive is None
        else [f"--new=0:{start // sector}:{start // sector + CONFIG_DRIVE // sector - 1}"]
    )
    done = subprocess.run(
        ["sgdisk", "--move-second-header", *new, disk],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotWritten(
            f"sgdisk found no sound partition table on {disk}: {(done.stdout + done.stderr).strip()[-300:]}"
        )
