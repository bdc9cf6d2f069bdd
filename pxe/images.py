"""The built images as the seed reads them: found by name, checked byte by byte before a disk is touched."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pxe.build.manifest import ADDED, DISK_FORMATS, MANIFEST, Compression, DiskFormat, Kind, Manifest, sha512

_BUILD_COMMAND = {"ramdisk": "build-ramdisk", "os": "build-os", "container": "build-container"}
_RAMDISK_PARTS = ("kernel", "initramfs")
_FOLDER = re.compile(r"[^/\0.][^/\0]*")  # machines ask by name: what is not below the images is not theirs


class ImageError(Exception):
    """An image cannot be used; the text says which and what to do."""


class ImageNotFound(ImageError):
    """There is no image of this name and kind."""


class ManifestBroken(ImageError):
    """The image's folder is there, but its manifest or its files cannot be trusted."""


class ChecksumMismatch(ImageError):
    """A file is not what was built."""

    def __init__(self, path: Path, expected: str, found: str, manifest: Manifest) -> None:
        again = f"Build it again: undercloud image {_BUILD_COMMAND[manifest.kind]} --force"
        if manifest.recipe == ADDED:
            again = f"Add it again: undercloud image add {manifest.name} {manifest.source} --force"
        was = "was added" if manifest.recipe == ADDED else "was built"
        super().__init__(f"{path} is damaged: sha512 is {found}, but {expected} {was}. {again}")
        self.path, self.expected, self.found = path, expected, found


@dataclass(frozen=True)
class OSImage:
    """A whole-disk image; `sha512` in hex, `virtual_size` in bytes is the smallest disk it fits on.

    `sha512` is of the file as it lies there and travels; `disk_format` of what is inside of `compression`.
    """

    name: str
    path: Path
    disk_format: DiskFormat
    sha512: str
    virtual_size: int
    compression: Compression | None = None
    packages: tuple[str, ...] = ()
    """NAME=VERSION of what is in it; of an image that was made elsewhere, nothing is known."""


@dataclass(frozen=True)
class Ramdisk:
    """A kernel and an initramfs: they run the agent, or are all that a host runs (`deploy: ramdisk`).

    `sha512` is that of the two checksums, in hex; `kernel_arguments` are the image's own.
    """

    name: str
    kernel: Path
    initramfs: Path
    sha512: str
    kernel_arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class ContainerImage:
    """An OCI archive (one tar file), also one that boots (`deploy: bootc`); `sha512` in hex."""

    name: str
    path: Path
    sha512: str


Image = OSImage | Ramdisk | ContainerImage


def load_os_image(images_dir: Path, name: str) -> OSImage:
    """Find an OS image by name."""
    manifest = _load(images_dir, name, "os")
    path, checksum = _part(images_dir, manifest, "disk")
    if manifest.disk_format not in DISK_FORMATS or manifest.virtual_size is None:
        raise ManifestBroken(
            f"{images_dir / name / MANIFEST}: an OS image needs virtual_size, and disk_format qcow2 or raw."
        )
    size = manifest.virtual_size
    kind, packages = manifest.disk_format, manifest.packages
    return OSImage(name, path, kind, checksum, size, manifest.compression, packages)


def load_ramdisk(images_dir: Path, name: str) -> Ramdisk:
    """Find a ramdisk by name."""
    manifest = _load(images_dir, name, "ramdisk")
    (kernel, first), (initramfs, second) = (_part(images_dir, manifest, part) for part in _RAMDISK_PARTS)
    both = hashlib.sha512(f"{first} {second}".encode()).hexdigest()
    return Ramdisk(name, kernel, initramfs, both, manifest.kernel_arguments)


def load_container(images_dir: Path, name: str) -> ContainerImage:
    """Find a container image by name."""
    manifest = _load(images_dir, name, "container")
    return ContainerImage(name, *_part(images_dir, manifest, "archive"))


def load(images_dir: Path, name: str) -> Image:
    """Find an image of any kind by name."""
    match read_manifest(images_dir, name).kind:
        case "os":
            return load_os_image(images_dir, name)
        case "ramdisk":
            return load_ramdisk(images_dir, name)
        case "container":
            return load_container(images_dir, name)


def list_images(images_dir: Path) -> list[Manifest]:
    """What is there, by name. Raises ManifestBroken rather than leave a damaged image out."""
    return [read_manifest(images_dir, name) for name in _names(images_dir)]


def verify(image: Image) -> None:
    """Read every byte of the image; raise ChecksumMismatch for the first file that is not what was built."""
    folder = (image.kernel if isinstance(image, Ramdisk) else image.path).parent
    manifest = read_manifest(folder.parent, folder.name)
    for name, entry in manifest.files.items():
        _check(folder / name, entry.sha512, manifest)


def _check(path: Path, expected: str, manifest: Manifest) -> None:
    try:
        found = sha512(path)
    except OSError as error:
        raise ManifestBroken(f"{path} cannot be read: {error.strerror}.") from error
    if found != expected:
        raise ChecksumMismatch(path, expected, found, manifest)


def read_manifest(images_dir: Path, name: str) -> Manifest:
    """The manifest of one image; not found and broken are two answers."""
    if not _FOLDER.fullmatch(name):
        raise ImageNotFound(_not_found(images_dir, name))
    path = images_dir / name / MANIFEST
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ImageNotFound(_not_found(images_dir, name)) from None
    except OSError as error:
        raise ManifestBroken(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ManifestBroken(
            f"{path}: {where}: {first['msg']}. Build the image again with --force."
        ) from None


def _load(images_dir: Path, name: str, kind: Kind) -> Manifest:
    try:
        manifest = read_manifest(images_dir, name)
    except ImageNotFound:
        raise ImageNotFound(_not_found(images_dir, name, kind)) from None
    if manifest.kind != kind:
        raise ImageNotFound(f"{name} in {images_dir} is a {manifest.kind} image, not {kind}.")
    return manifest


def _part(images_dir: Path, manifest: Manifest, part: str) -> tuple[Path, str]:
    folder = images_dir / manifest.name
    file = manifest.parts.get(part)
    if file is None or file not in manifest.files:
        raise ManifestBroken(f"{folder / MANIFEST}: names no {part}. Build the image again with --force.")
    path = folder / file
    if not path.is_file():
        raise ManifestBroken(f"{path} is missing though its manifest names it. Build the image again.")
    return path, manifest.files[file].sha512


def _names(images_dir: Path) -> list[str]:
    if not images_dir.is_dir():
        return []
    return sorted(path.parent.name for path in images_dir.glob(f"[!.]*/{MANIFEST}"))


def _not_found(images_dir: Path, name: str, kind: Kind | None = None) -> str:
    there = ", ".join(_names(images_dir)) or "no images"
    missing, add = f"No image {name} in {images_dir} (there: {there})", "undercloud image add --help"
    if kind is None:
        return f"{missing}. Build one (undercloud image --help), or add one that others made: {add}"
    return (
        f"{missing}. Build it with: undercloud image {_BUILD_COMMAND[kind]}"
        f" (or add one that others made: {add})"
    )
