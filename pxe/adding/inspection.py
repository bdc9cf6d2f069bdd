"""Look into a disk image before anybody trusts it: what it is, how large it gets, whether it reads elsewhere.

A qcow2 can name files of the machine that opens it (backing file, data file), and one file can look like two
formats: by oslo.utils' inspectors, which Nova and Ironic use, and by qemu-img as a second opinion.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import zstandard
from oslo_utils.imageutils import format_inspector as oslo

from pxe.adding import partition_table
from pxe.adding.partition_table import HEAD, SECTOR, PartitionTable
from pxe.adding.refused import Refused
from pxe.build.manifest import Compression, DiskFormat
from pxe.process import ProcessError, run

# Why it does not like an image is in what it raises; without a handler it would be printed as well.
logging.getLogger(oslo.__name__).addHandler(logging.NullHandler())

LARGEST = 256 << 30
"""Bytes that an image may become on a disk; a file of a few kB can claim any size."""
_ZSTD = b"\x28\xb5\x2f\xfd"
_BITE = 8 << 10
_ZSTD_WINDOW = 128 << 20  # what `zstd -d` takes without --long; the ramdisk has to hold it
_PACKED = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2", b"PK\x03\x04": "zip"}
_LIMITED = ("prlimit", "--as=1073741824", "--cpu=30")  # as Nova runs it


@dataclass(frozen=True)
class DiskImage:
    """What a file holds: `virtual_size` in bytes is that of the disk."""

    disk_format: DiskFormat
    compression: Compression | None
    virtual_size: int
    table: PartitionTable


def inspect(path: Path) -> DiskImage:
    """Raises Refused with the reason."""
    with path.open("rb") as file:
        begin = file.read(8)
    for magic, name in _PACKED.items():
        if begin.startswith(magic):
            raise Refused(f"it is packed by {name}: unpack it, and give the checksum of what comes out")
    if begin.startswith(_ZSTD):
        return _compressed(path)
    found = _file_format(path)
    told = _second_opinion(path, found)
    size = _bounded(int(told["virtual-size"]))
    begin = head(path, found, None)
    with _inside():
        _whole_disk(iter([begin]))  # a qcow2 may hold anything, another qcow2 too
    return DiskImage(found, None, size, _table(begin))


def head(path: Path, disk_format: DiskFormat, compression: Compression | None) -> bytes:
    """The first bytes of the disk that the image becomes."""
    if compression == "zstd":
        return next(_unpacked(path, HEAD), b"")
    if disk_format == "raw":
        with path.open("rb") as file:
            return file.read(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "head")
        _qemu_img(
            ["qemu-img", "dd", "-f", "qcow2", "-O", "raw", f"bs={HEAD}", "count=1", f"if={path}", f"of={out}"]
        )
        return out.read_bytes()


def _file_format(path: Path) -> DiskFormat:
    with _refusing():
        found = oslo.detect_file_format(str(path))
        if found is not None and str(found) == "qcow2":
            found.safety_check()
            return "qcow2"
    return _only_raw(found)


def _whole_disk(content: Iterator[bytes]) -> tuple[int, bytes]:
    """Read a disk's content to its end: its size and its first chunk; what is not a plain disk is refused."""
    size, begin, watch = 0, b"", oslo.InspectWrapper(cast(IO[bytes], content))
    with _refusing():
        for chunk in watch:
            begin, size = begin or chunk, size + len(chunk)
            _bounded_above(size)
        _only_raw(watch.format)
    return size, begin


def _only_raw(found: oslo.FileInspector | None) -> DiskFormat:
    if found is None or str(found) == "raw":
        raise Refused("it has no partition table: only images of whole disks can be booted")
    if str(found) != "gpt":  # so the library calls any MBR, with a GPT or without
        raise Refused(f"it is a {found} image: convert it with qemu-img convert -O qcow2")
    with _refusing():
        found.safety_check()
    return "raw"


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except oslo.SafetyCheckFailed as error:
        raise Refused("; ".join(_reason(name, why) for name, why in error.failures.items())) from None
    except oslo.ImageFormatError as error:
        raise Refused(f"it looks like several formats at once, or like none ({error})") from None


@contextmanager
def _inside() -> Iterator[None]:
    """What is wrong is wrong with the content of the file, not with the file."""
    try:
        yield
    except Refused as error:
        raise Refused(f"of what is inside, {error}") from None


_REASONS = {
    "backing_file": "it has a backing file: the machine that opens it would read another of its files",
    "data_file": "it has an external data file: the machine that opens it would read another of its files",
    "unknown_features": "it needs features of qcow2 that are not known, so nobody can tell what is in it",
}


def _reason(check: str, why: object) -> str:
    return _REASONS.get(check) or f"{check}: {why}"


def _second_opinion(path: Path, expected: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(_qemu_img(["qemu-img", "info", "--output=json", str(path)]))
    if told.get("format") != expected:
        raise Refused(f"qemu-img takes it for {told.get('format')}, not {expected}")
    specific = told.get("format-specific", {}).get("data", {})
    for key, words in (("backing-filename", "backing_file"), ("full-backing-filename", "backing_file")):
        if told.get(key):
            raise Refused(_REASONS[words])
    if specific.get("data-file"):
        raise Refused(_REASONS["data_file"])
    if told.get("encrypted") or specific.get("encrypt"):
        raise Refused("it is encrypted: no machine could boot it")
    if specific.get("corrupt"):
        raise Refused("it is marked as corrupt; qemu-img check tells more")
    return told


def _qemu_img(argv: list[str]) -> str:
    try:
        return run([*_LIMITED, *argv], timeout=60)
    except ProcessError as error:
        said = str(error).splitlines()[-1]
        raise Refused(f"qemu-img cannot read it: {said}") from error


def _compressed(path: Path) -> DiskImage:
    """Unpack all of it once, to nowhere: whether it is whole, how large, and what is in it."""
    try:
        with _inside():
            size, begin = _whole_disk(_unpacked(path, HEAD))
    except zstandard.ZstdError as error:
        raise Refused(f"zstd cannot unpack it: {error}") from error
    return DiskImage("raw", "zstd", _bounded(size), _table(begin))


def _unpacked(path: Path, chunk: int) -> Iterator[bytes]:
    """The content of all frames; raises ZstdError where it is damaged or ends too early.

    By small bites, since a few bytes can become megabytes; the library's stream reader does not tell a file
    that was cut from one that ends.
    """
    unpack, waiting = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW), b""
    frame = unpack.decompressobj()
    with path.open("rb") as file:
        while bite := file.read(_BITE):
            while bite:
                frame = unpack.decompressobj() if frame.eof else frame
                waiting += frame.decompress(bite)
                bite = frame.unused_data
            while len(waiting) >= chunk:
                yield waiting[:chunk]
                waiting = waiting[chunk:]
    if not frame.eof:
        raise zstandard.ZstdError("it ends in the middle")
    if waiting:
        yield waiting


def _bounded_above(size: int) -> None:
    if size > LARGEST:
        raise Refused(
            f"it becomes {size >> 30} GiB on a disk, or more; at most {LARGEST >> 30} GiB are taken"
        )


def _bounded(size: int) -> int:
    _bounded_above(size)
    if size < HEAD or size % SECTOR:
        raise Refused(f"{size} bytes are no whole disk")
    return size


def _table(begin: bytes) -> PartitionTable:
    table = partition_table.read(begin)
    if table is None:
        raise Refused("it has no partition table: only images of whole disks can be booted")
    if not table.boot_modes:
        raise Refused("no firmware could boot it: it has no EFI system partition and no boot code")
    return table
