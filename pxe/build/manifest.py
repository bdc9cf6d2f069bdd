"""The manifest.json beside every image: what it is, what it was made from, and how to tell it is intact."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

MANIFEST = "manifest.json"
Kind = Literal["ramdisk", "os", "container"]
DiskFormat = Literal["qcow2", "raw"]
DISK_FORMATS: tuple[DiskFormat, ...] = ("qcow2", "raw")
Compression = Literal["zstd"]
_CHUNK = 1 << 20


class FileEntry(BaseModel):
    """One file of an image. `size` in bytes; by `mtime_ns` an untouched file is known without reading it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha512: str
    size: int
    mtime_ns: int = 0


class Signature(BaseModel):
    """Who signed: fingerprint and name of the key; `of` is the image, or the checksums it was found in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    signer: str
    of: str


ADDED = "added"
"""In place of a recipe: the image was made elsewhere."""


class Manifest(BaseModel):
    """`parts`: kernel, initramfs, disk, archive → file name; `files`: name → checksum; sizes in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    parts: dict[str, str]
    files: dict[str, FileEntry]
    disk_format: DiskFormat | Literal["oci-archive"] | None = None
    virtual_size: int | None = None
    compression: Compression | None = None
    kernel_arguments: tuple[str, ...] = ()
    size: int
    built: str
    recipe: str
    source: str | None = None
    signature: Signature | None = None
    packages: tuple[str, ...] = ()
    python_packages: tuple[str, ...] = ()


def sha512(path: Path) -> str:
    """Checksum of a file as it is on disk now."""
    digest = hashlib.sha512()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def describe(path: Path) -> FileEntry:
    """Read a finished file once and note what it must look like from now on."""
    status = path.stat()
    return FileEntry(sha512=sha512(path), size=status.st_size, mtime_ns=status.st_mtime_ns)


def untouched(folder: Path, manifest: Manifest) -> bool:
    """Whether every file is as it was built; one whose time stamp moved (a copied folder) is read again."""
    return all(_as_built(folder / name, entry) for name, entry in manifest.files.items())


def _as_built(path: Path, entry: FileEntry) -> bool:
    if not path.is_file():
        return False
    status = path.stat()
    if status.st_size != entry.size:
        return False
    return status.st_mtime_ns == entry.mtime_ns or sha512(path) == entry.sha512
