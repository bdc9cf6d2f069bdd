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

from pydantic import ValidationError

from pxe.build.manifest import MANIFEST, Manifest, describe, untouched
from pxe.build.progress import Progress
from pxe.build.recipe import Product, Recipe, Workshop
from pxe.process import ProcessError


@dataclass(frozen=True)
class Landed:
    """The image that is there now, and whether this call built it."""

    folder: Path
    manifest: Manifest
    built_now: bool


def bring(recipe: Recipe, images_dir: Path, progress: Progress, *, force: bool = False) -> Landed:
    """Return the image of this recipe, building it if it is missing, damaged, out of date or `force` says so.

    The build happens beside its destination and is renamed at the end, so that an interrupted build
    leaves the previous image as it was.
    """
    folder = images_dir / recipe.name
    wanted = recipe.fingerprint()
    if not force and (ready := _ready(folder, wanted)):
        return Landed(folder, ready, built_now=False)
    _writable(images_dir)
    with _lock(images_dir, recipe.name, progress):
        _clear_dead_builds(images_dir, recipe.name)
        # Whoever held the lock before may have built exactly this.
        if not force and (ready := _ready(folder, wanted)):
            return Landed(folder, ready, built_now=False)
        return Landed(folder, _build(recipe, wanted, images_dir, progress), built_now=True)


def _ready(folder: Path, wanted: str) -> Manifest | None:
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None
    return manifest if manifest.recipe == wanted and untouched(folder, manifest) else None


def _build(recipe: Recipe, wanted: str, images_dir: Path, progress: Progress) -> Manifest:
    temporary = Path(tempfile.mkdtemp(prefix=_building(recipe.name), dir=images_dir))
    try:
        workshop = Workshop(temporary / "scratch", temporary / "product", progress)
        workshop.scratch.mkdir()
        workshop.product.mkdir()
        product = recipe.make(workshop)
        with progress.phase("checksums"):
            manifest = _manifest(recipe, wanted, product, workshop.product)
        (workshop.product / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n")
        _replace(workshop.product, images_dir / recipe.name)
    finally:
        _remove(temporary)
    return manifest


def _manifest(recipe: Recipe, wanted: str, product: Product, folder: Path) -> Manifest:
    files = {name: describe(folder / name) for name in product.parts.values()}
    return Manifest(
        name=recipe.name,
        kind=recipe.kind,
        parts=dict(product.parts),
        files=files,
        disk_format=product.disk_format,
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
        raise ProcessError(
            f"Cannot create {images_dir}: {error.strerror}. Choose another with --output."
        ) from error
    if not os.access(images_dir, os.W_OK):
        raise ProcessError(f"Cannot write to {images_dir}. Run as root, or choose another with --output.")
    if os.geteuid() != 0:
        raise ProcessError(
            "Building an image unpacks a Debian system and needs root. Run the same with sudo."
        )


@contextmanager
def _lock(images_dir: Path, name: str, progress: Progress) -> Iterator[None]:
    """Hold the image's lock; the kernel drops it when its holder dies, so there is nothing to clean up."""
    with (images_dir / f".{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.phase(f"waiting for another build of {name}"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
