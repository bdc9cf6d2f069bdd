"""What is to be written where, as the seed orders it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

DISK_FORMATS = ("raw", "qcow2")


class NotWritten(Exception):
    """The image is not on the disk; the text says what was seen and what to do."""


@dataclass(frozen=True)
class ImageOrder:
    """An image file: `sha512` (hex) and `size` (bytes) are of the file as it travels.

    `urls` are the same file at several places; `virtual_size` in bytes is what it fills on the disk.
    """

    urls: tuple[str, ...]
    sha512: str
    size: int
    disk_format: str
    virtual_size: int
    compression: str | None = None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> ImageOrder:
        """Raises NotWritten for what this ramdisk cannot write: a newer seed may ask for more."""
        try:
            order = cls(**{field.name: document[field.name] for field in fields(cls)})
        except KeyError as error:
            raise NotWritten(f"the order lacks {error}") from None
        if order.disk_format not in DISK_FORMATS or order.compression not in (None, "zstd"):
            what = f"disk_format {order.disk_format}, compression {order.compression}"
            raise NotWritten(
                f"this ramdisk cannot write {what}; build it again: undercloud image build-ramdisk"
            )
        if order.compression and order.disk_format != "raw":
            raise NotWritten(
                f"a compressed {order.disk_format} image cannot be written, only a compressed raw one"
            )
        return order
