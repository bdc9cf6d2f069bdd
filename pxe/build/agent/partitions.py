"""The partition table of an image on a disk that is larger than it, and a place for the config drive."""

from __future__ import annotations

import struct
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from .order import NotWritten
from .target import MIB, Target

CONFIG_DRIVE = 64 * MIB  # as the agent makes it: the most that Ironic lets one have
ESP = uuid.UUID("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")  # UEFI 2.10 table 5.7
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


def stretch(
    disk: str, config_drive: bytes | None, *, grow: Partition | None = None, anew: bool = False
) -> None:
    """Move the second copy of the GPT to the disk's end; write the config drive into a partition before it.

    One call of sgdisk, since each waits a second for the kernel; the partition's place is chosen here, so
    that no device node has to appear before it is written. `grow`: the last partition, which shall reach as
    far as there is room. `anew`: the disk is a copy of another and gets GUIDs of its own. Raises NotWritten.
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
        if grow is not None:
            _make_room(target, disk, (grow.last + 1) * sector, start)
        target.sync()
    new = (
        []
        if config_drive is None
        else [f"--new=0:{start // sector}:{start // sector + CONFIG_DRIVE // sector - 1}"]
    )
    larger = [] if grow is None else _larger(grow, start // sector - 1)
    _sgdisk("--move-second-header", *larger, *new, *(["--randomize-guids"] if anew else []), disk)


def _make_room(target: Target, disk: str, end: int, new_end: int) -> None:
    """The last MiB of a partition that grows is for md's superblock: an older one must not be found there."""
    if end > new_end - MIB:
        raise NotWritten(f"{disk} is too small: a RAID needs a MiB beside the image and its config drive")
    target.put_bytes(new_end - MIB, bytes(MIB))


def _larger(partition: Partition, last: int) -> list[str]:
    """For sgdisk, which knows no other way than to make it again."""
    number = partition.number
    attributes = [f"--attributes={number}:=:{partition.attributes:016X}"] if partition.attributes else []
    return [
        *(f"--delete={number}", f"--new={number}:{partition.first}:{last}"),
        *(f"--typecode={number}:{partition.kind}", f"--partition-guid={number}:{partition.guid}"),
        *(f"--change-name={number}:{partition.name}", *attributes),
    ]


def _sgdisk(*arguments: str) -> None:
    done = subprocess.run(
        ["sgdisk", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotWritten(
            f"sgdisk found no sound partition table on {arguments[-1]}: "
            f"{(done.stdout + done.stderr).strip()[-300:]}"
        )


@dataclass(frozen=True)
class Partition:
    """An entry of a GPT (UEFI 2.10 table 5.6); `first` and `last` are sectors."""

    number: int
    kind: uuid.UUID
    guid: uuid.UUID
    first: int
    last: int
    attributes: int
    name: str

    def device(self, disk: str) -> str:
        """As Linux names it."""
        return f"{disk}{'p' if disk[-1].isdigit() else ''}{self.number}"


def partitions(disk: str) -> list[Partition]:
    """In the order in which they lie on the disk."""
    with Path(disk).open("rb") as file:
        file.seek(sector_size(disk))
        table, count, size = struct.unpack("<72xQII", file.read(88))
        file.seek(table * sector_size(disk))
        entries = file.read(count * size)
    read = [_entry(number + 1, entries[number * size :][:128]) for number in range(count)]
    return sorted((each for each in read if each.kind.int), key=lambda each: each.first)


def _entry(number: int, entry: bytes) -> Partition:
    kind, guid, first, last, attributes, name = struct.unpack("<16s16sQQQ72s", entry)
    words = name.decode("utf-16-le", "replace").rstrip("\0")
    return Partition(
        number, uuid.UUID(bytes_le=kind), uuid.UUID(bytes_le=guid), first, last, attributes, words
    )
