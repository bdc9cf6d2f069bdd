"""An image to a disk: raw and compressed raw as one stream, qcow2 by way of memory."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from .download import Damaged, Download
from .order import ImageOrder, NotWritten
from .relay import Relay
from .target import BLOCK, MIB, Target, aligned, free_memory

READ = 4 * MIB  # of a compressed image, at once
SPARE = 300 * MIB  # memory that the agent and qemu-img need besides the image


class Source(Protocol):
    """Bytes of the disk, in order."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...


def write(
    order: ImageOrder,
    disk: str,
    scratch: Path = Path("/tmp"),  # noqa: S108 - the ramdisk's own memory, nobody else is there
    progress: Callable[[int], None] = lambda count: None,
) -> None:
    """Have `disk` read as the image, from its beginning; raises NotWritten.

    A wrong checksum is found before the disk has a partition table. `progress` is told how many bytes came.
    """
    try:
        _write(order, disk, scratch, progress)
    except Damaged:
        if len(order.urls) == 1:
            raise
        # One machine that passes on damaged bytes would fail all that come after it.
        _write(replace(order, urls=order.urls[-1:]), disk, scratch, progress)


def _write(order: ImageOrder, disk: str, scratch: Path, progress: Callable[[int], None]) -> None:
    with (
        passing_on(order, scratch) as relay,
        closing(Download(order.urls, order.size, progress, relay)) as download,
    ):
        with Target(disk) as target:
            if order.virtual_size > target.size:
                raise NotWritten(f"{disk} has {target.size} bytes, the image needs {order.virtual_size}")
            if order.disk_format == "qcow2":
                local = _fetch(order, download, relay)
            target.clear(order.virtual_size)
            if order.disk_format == "raw":
                _stream(order, download, target)
                return
            is_zero = target.reads_zero
        _convert(local, disk, is_zero=is_zero)


def _stream(order: ImageOrder, download: Download, target: Target) -> None:
    source: Source = download if order.compression is None else _decompressed(download)
    block, offset = aligned(), 0
    while count := _fill(source, block):
        if offset + count > order.virtual_size:
            raise NotWritten(
                f"the image is larger than the {order.virtual_size} bytes that it is said to have"
            )
        target.put(offset, block if count == BLOCK else block[:count])
        offset += count
    download.check(order.sha512)
    if offset != order.virtual_size:
        raise NotWritten(
            f"the image ends after {offset} of {order.virtual_size} bytes; the disk is not usable"
        )
    target.finish()


def _decompressed(download: Download) -> Source:
    import zstandard  # only where it is needed: each import costs a slow machine a moment

    reader = zstandard.ZstdDecompressor().stream_reader(download, read_size=READ, read_across_frames=True)  # type: ignore[arg-type]
    return _Checked(reader, zstandard.ZstdError)


class _Checked:
    """A damaged stream is a wrong image, not a bug."""

    def __init__(self, source: Source, error: type[Exception]) -> None:
        self._source = source
        self._error = error

    def readinto(self, buffer: memoryview, /) -> int | None:
        try:
            return self._source.readinto(buffer)
        except self._error as error:
            raise Damaged(
                f"the image cannot be decompressed ({error}); the disk got no partition table"
            ) from None


def _fill(source: Source, block: memoryview) -> int:
    filled = 0
    while filled < len(block) and (count := source.readinto(block[filled:])):
        filled += count
    return filled


def _fetch(order: ImageOrder, download: Download, relay: Relay | None) -> Path:
    """The file in memory, its checksum proven."""
    if relay is None:
        raise NotWritten(
            f"a qcow2 image goes through memory: it has {order.size // MIB} MiB, and less is free. Convert "
            "it to compressed raw, which is streamed: undercloud image add --compress"
        )
    block = aligned(READ)
    while download.readinto(block):
        pass
    download.check(order.sha512)
    return relay.path


@contextmanager
def passing_on(order: ImageOrder, scratch: Path) -> Iterator[Relay | None]:
    """Keep what comes in memory and pass it on, until the disk is written; None where memory is short."""
    if order.size > free_memory(scratch) - SPARE:
        yield None
        return
    path = scratch / f"image-{order.sha512[:16]}"
    try:
        with Relay(path, order.size, order.sha512) as relay:
            yield relay
    finally:
        path.unlink(missing_ok=True)


def _convert(local: Path, disk: str, *, is_zero: bool) -> None:
    """As qemu-img does it best: no page cache, clusters in any order, nothing written that reads as zero."""
    command = ["qemu-img", "convert", "-n", "-W", "-m", "8", "-t", "none", "-f", "qcow2", "-O", "raw"]
    command += ["--target-is-zero"] if is_zero else []
    done = subprocess.run(
        [*command, str(local), disk], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotWritten(f"qemu-img cannot write the image to {disk}: {done.stderr.strip()[-300:]}")
