"""What is on a disk image: partitions, and which firmware could boot it.

UEFI Specification 2.10 section 5 (GPT, and the MBR before it).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

SECTOR = 512
HEAD = 1 << 20  # bytes of a disk's beginning that hold all of its table
_CODE_END = 440
_PROTECTIVE = 0xEE
_LARGEST_TABLE = 1024

_GPT_KINDS = {
    UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"): "ESP",
    UUID("21686148-6449-6e6f-744e-656564454649"): "BIOS boot",
    UUID("9e1a2d38-c612-4316-aa26-8b49521e5a8b"): "PReP",
    UUID("bc13c2ff-59e6-4262-a352-b275fd6f7172"): "boot",
    UUID("0fc63daf-8483-4772-8e79-3d69d8477de4"): "Linux",
    UUID("e6d6d379-f507-44c2-a23c-238f2a3df928"): "LVM",
    UUID("a19d880f-05fc-4d3b-a006-743f0f84911e"): "RAID",
    UUID("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"): "swap",
    # Discoverable Partitions Specification: the root file system of an architecture
    UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709"): "root",
    UUID("b921b045-1df0-41c3-af44-4c6f280d3fae"): "root",
}
_MBR_KINDS = {0x82: "swap", 0x83: "Linux", 0x8E: "LVM", 0xEF: "ESP", 0xFD: "RAID"}


@dataclass(frozen=True)
class Partition:
    """`start` and `size` in bytes; `kind` is ESP, BIOS boot, root, Linux..., or the type's number."""

    number: int
    kind: str
    name: str
    start: int
    size: int


@dataclass(frozen=True)
class PartitionTable:
    """`label` is gpt or mbr; `boot_code`: there is a program in the first sector, as BIOS runs it."""

    label: str
    boot_code: bool
    partitions: tuple[Partition, ...]

    @property
    def boot_modes(self) -> tuple[str, ...]:
        """Which firmware finds something to start, by Ironic's names."""
        uefi = ("uefi",) if any(part.kind == "ESP" for part in self.partitions) else ()
        return (*uefi, *(("bios",) if self.boot_code else ()))

    @property
    def root(self) -> Partition | None:
        """Where the operating system most likely is: what says so, else the largest of Linux' partitions."""
        for fits in (("root",), ("Linux", "LVM", "RAID")):
            of_kind = [part for part in self.partitions if part.kind in fits or part.name.lower() == "root"]
            if of_kind:
                return max(of_kind, key=lambda part: part.size)
        return None


def read(head: bytes) -> PartitionTable | None:
    """The table in the first bytes (`HEAD`) of a disk; None when there is none."""
    if len(head) < SECTOR or head[510:512] != b"\x55\xaa":
        return None
    boot_code = any(head[:_CODE_END])
    mbr = tuple(_mbr_partitions(head))
    if any(part.kind == hex(_PROTECTIVE) for part in mbr) and head[SECTOR : SECTOR + 8] == b"EFI PART":
        return PartitionTable("gpt", boot_code, tuple(_gpt_partitions(head)))
    return PartitionTable("mbr", boot_code, mbr) if mbr else None


def _mbr_partitions(head: bytes) -> Iterator[Partition]:
    for number in range(4):
        kind, start, size = struct.unpack_from("<4xB3xII", head, 446 + 16 * number)
        if kind:
            yield Partition(number + 1, _MBR_KINDS.get(kind, hex(kind)), "", start * SECTOR, size * SECTOR)


def _gpt_partitions(head: bytes) -> Iterator[Partition]:
    first, count, width = struct.unpack_from("<72xQII", head, SECTOR)
    for number in range(min(count, _LARGEST_TABLE)):
        at = first * SECTOR + number * width
        if width < 128 or at + 128 > len(head):
            return
        kind, start, end = UUID(bytes_le=head[at : at + 16]), *struct.unpack_from("<32xQQ", head, at)
        if kind.int:
            name = head[at + 56 : at + 128].decode("utf-16-le", "replace").rstrip("\0")
            words = _GPT_KINDS.get(kind, str(kind))
            yield Partition(number + 1, words, name, start * SECTOR, (end - start + 1) * SECTOR)
