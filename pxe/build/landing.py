"""Bring an image into its folder: once, whole or not at all, and never twice at the same time."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from pxe.build.manifest import MANIFEST, Manifest, describe, untouched
from pxe.build.progress import Progress
from pxe.build.recipe import Product, Recipe, Workshop
from pxe.process import ProcessError, require_root


@dataclass(frozen=True)
class Landed:
    """The image that is there now, and whether this call built it."""

    folder: Path
    manifest: Manifest
    built_now: bool


def bring(recipe: Recipe, images_dir: Path, progress: Progress, *, force: bool = False) -> Landed:
    """Return the image of this recipe, building it if it is missing, damaged, outdated or `force` says so."""
    folder = images_dir / recipe.name
    wanted = recipe.fingerprint()
    if not force and (ready := _ready(folder, wanted)):
        return Landed(folder, ready, built_now=False)
    _writable(images_dir)
    require_root("Building an image unpacks a Debian system and")
    with exchange(images_dir, recipe.name, progress) as building:
        # Whoever held the lock before may have built exactly this.
        if not force and (ready := _ready(folder, wanted)):
            return Landed(folder, ready, built_now=False)
        product = recipe.make(Workshop(building.scratch, building.product, progress))
        with progress.phase("checksums"):
            manifest = _manifest(recipe, wanted, product, building.product)
        building.finish(manifest)
        return Landed(folder, manifest, built_now=True)


@dataclass(frozen=True)
class Building:
    """An image in the making: `product` becomes its folder when it is finished, `scratch` goes."""

    scratch: Path
    product: Path
    folder: Path

    def finish(self, manifest: Manifest) -> None:
        """Put it in the place of the image that was there."""
        (self.product / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n")
        _replace(self.product, self.folder)


@contextmanager
def exchange(images_dir: Path, name: str, progress: Progress) -> Iterator[Building]:
    """A place to make the image `name` in, for one at a time.

    It is beside the destination and renamed at the end, so that whatever is interrupted leaves the previous
    image as it was, and nothing else.
    """
    _writable(images_dir)
    with _lock(images_dir, name, progress):
        _clear_dead_builds(images_dir, name)
        temporary = Path(tempfile.mkdtemp(prefix=_building(name), dir=images_dir))
        building = Building(temporary / "scratch", temporary / "product", images_dir / name)
        try:
            building.scratch.mkdir()
            building.product.mkdir()
            yield building
        finally:
            _remove(temporary)


def delete(images_dir: Path, name: str, progress: Progress) -> None:
    """Remove an image; who has one of its files open reads on."""
    with exchange(images_dir, name, progress) as building:
        building.folder.rename(building.scratch / name)


def _ready(folder: Path, wanted: str) -> Manifest | None:
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None
    return manifest if manifest.recipe == wanted and untouched(folder, manifest) else None


def _manifest(recipe: Recipe, wanted: str, product: Product, folder: Path) -> Manifest:
    files = {name: describe(folder / name) for name in product.parts.values()}
    return Manifest(
        name=recipe.name,
        kind=recipe.kind,
        parts=dict(product.parts),
        files=files,
        disk_format=product.disk_format,
        compression=product.compression,
        virtual_size=product.virtual_size,
        size=sum(entry.size for entry in files.values()),
        built=datetime.now(UTC).isoformat(timespec="seconds"),
        recipe=wanted,
        packages=tuple(product.packages),
        python_packages=tuple(product.python_packages),
    )


def _replace(new: Path, folder: Path) -> None:
    """Put the new folder in place; a reader that has the old file open goes on reading the old bytes."""
    new.chmod(0o755)
    old = folder.with_name(_replaced(folder.name))
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    _remove(old)


def _building(name: str) -> str:
    return f".{name}.building-"


def _replaced(name: str) -> str:
    return f".{name}.replaced"


def _clear_dead_builds(images_dir: Path, name: str) -> None:
    """Remove what a killed build left (we hold the lock, so it is dead); undo a half-done replacement."""
    old, folder = images_dir / _replaced(name), images_dir / name
    if old.exists() and not folder.exists():
        old.rename(folder)
    for dead in (old, *images_dir.glob(f"{_building(name)}*")):
        _remove(dead)


def _remove(tree: Path) -> None:
    """Delete a build's folder, but never through a mount that a killed tool may have left in it."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    inside = [mount for mount in mounts if Path(mount).is_relative_to(tree)]
    if inside:
        raise ProcessError(f"{tree} still has mounts in it. Run: umount {' '.join(inside)}; then try again.")
    shutil.rmtree(tree, ignore_errors=True)


def _writable(images_dir: Path) -> None:
    try:
        images_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProcessError(f"Cannot create {images_dir}: {error.strerror}. Choose another folder.") from error
    if not os.access(images_dir, os.W_OK):
        raise ProcessError(f"Cannot write to {images_dir}. Run as root, or choose another folder.")


@contextmanager
def _lock(images_dir: Path, name: str, progress: Progress) -> Iterator[None]:
    """Hold the image's lock; the kernel drops it when its holder dies, and the file is no hindrance then."""
    path = images_dir / f".{name}.lock"
    while True:
        with path.open("w") as file:
            _wait_for(file, name, progress)
            if not _still_at(path, file):  # its last holder removed it
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _wait_for(file: IO[str], name: str, progress: Progress) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with progress.phase(f"waiting for another build of {name}"):
            fcntl.flock(file, fcntl.LOCK_EX)


def _still_at(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
