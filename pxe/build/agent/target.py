"""A disk that is written once from its beginning, without what is zero and without the page cache."""

from __future__ import annotations

import fcntl
import mmap
import os
import stat
import struct
import subprocess
from pathlib import Path
from types import TracebackType

from .order import NotWritten

MIB = 1 << 20
BLOCK = MIB  # what is written at once
SECTOR = 4096  # the largest that disks have
_BLKGETSIZE64 = 0x80081272
_ZEROS = bytearray(BLOCK)


def aligned(size: int = BLOCK) -> memoryview:
    """Memory that O_DIRECT takes: it begins on a page."""
    return memoryview(mmap.mmap(-1, size))


class Target:
    """Whoever else holds the disk (a mount, md, LVM) makes opening it fail: O_EXCL of open(2).

    The first block is kept back until `finish`, so that a disk that was not wholly written has no partition
    table and boots nothing.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._first: bytes | None = None
        self._is_zero = 0  # up to here the disk reads as zeros
        is_disk = stat.S_ISBLK(Path(path).stat().st_mode)
        try:
            self._disk = os.open(path, os.O_RDWR | os.O_DIRECT | (os.O_EXCL if is_disk else 0))
        except OSError as error:
            raise NotWritten(
                f"{path} cannot be written: {error.strerror} (is it mounted, or part of a RAID?)"
            ) from None
        self.size = _size(self._disk, is_disk=is_disk)

    def __enter__(self) -> Target:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._disk)

    def clear(self, length: int) -> None:
        """Take away what tells of older content; have `length` bytes read as zeros where that is cheap.

        A disk that can (`write_zeroes_max_bytes`) zeroes terabytes in no time, for the others `put` writes
        zeros where the image has them: what is not allocated in the image never shows what was there before.
        """
        for offset in (0, max(self.size - BLOCK, 0)):
            self._write(aligned(min(BLOCK, self.size)), offset)
        # Of a block device, a hole is what its driver promises to read as zeros, else the call fails.
        punch = ["fallocate", "--punch-hole", "--offset", "0", "--length", str(length), self._path]
        done = subprocess.run(punch, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        self._is_zero = length if done.returncode == 0 else 0

    @property
    def reads_zero(self) -> bool:
        return self._is_zero > 0

    def put(self, offset: int, block: memoryview) -> None:
        """Write one block at `offset`, a multiple of BLOCK."""
        if offset == 0:
            self._first = bytes(block)
        elif len(block) < BLOCK:
            self.put_bytes(offset, bytes(block))
        # A bytearray compares by memcmp; a memoryview would compare byte by byte.
        elif offset + BLOCK > self._is_zero or _ZEROS != block:  # noqa: SIM300
            self._write(block, offset)

    def finish(self) -> None:
        """Write the first block after all others are on the disk."""
        self.sync()
        if self._first is not None:
            self.put_bytes(0, self._first)
        self.sync()

    def sync(self) -> None:
        os.fdatasync(self._disk)

    def put_bytes(self, offset: int, content: bytes) -> None:
        """Write `content` at `offset`, a multiple of SECTOR, filled up with zeros to the next one."""
        block = aligned(-(-len(content) // SECTOR) * SECTOR)
        block[: len(content)] = content
        self._write(block, offset)

    def _write(self, block: memoryview, offset: int) -> None:
        try:
            while block:
                written = os.pwrite(self._disk, block, offset)
                block, offset = block[written:], offset + written
        except OSError as error:
            raise NotWritten(f"writing {self._path} at byte {offset} failed: {error.strerror}") from None


def _size(disk: int, *, is_disk: bool) -> int:
    if not is_disk:
        return os.fstat(disk).st_size
    told = fcntl.ioctl(disk, _BLKGETSIZE64, bytes(8))
    return int(struct.unpack("<Q", told)[0])


def free_memory(path: Path) -> int:
    """Bytes that a file below `path`, in memory, can take."""
    there = os.statvfs(path)
    meminfo = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return min(there.f_bavail * there.f_frsize, int(meminfo["MemAvailable"].split()[0]) * 1024)
