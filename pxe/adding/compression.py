"""Make an image travel with fewer bytes, in the one form that an agent can write while it arrives."""

from __future__ import annotations

from pathlib import Path

import zstandard

from pxe.build.manifest import DiskFormat
from pxe.process import run

_LEVEL = 3  # unpacks as fast as any other level; higher ones cost minutes for a few percent


def compress(path: Path, disk_format: DiskFormat, scratch: Path) -> None:
    """Turn the image at `path` into raw, compressed by zstd, in place."""
    raw, packed = path, scratch / "disk.zst"
    if disk_format != "raw":
        raw = scratch / "disk.raw"
        run(["qemu-img", "convert", "-f", disk_format, "-O", "raw", path, raw])
    # The frame tells its size, so that whoever unpacks it knows what comes.
    packer = zstandard.ZstdCompressor(level=_LEVEL, threads=-1, write_checksum=True)
    with raw.open("rb") as source, packed.open("wb") as target:
        packer.copy_stream(source, target, size=raw.stat().st_size)
    packed.chmod(0o644)
    packed.replace(path)
    if raw != path:
        raw.unlink()
