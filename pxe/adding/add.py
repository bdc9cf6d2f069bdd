"""Add an image: fetch, compare, look into, and only then put it where seeds look."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pxe.adding import checksums, signature
from pxe.adding.checksums import Checksum
from pxe.adding.compression import compress
from pxe.adding.download import Report, fetch, fetch_small, file_name
from pxe.adding.inspection import DiskImage, inspect
from pxe.adding.refused import Refused
from pxe.build.landing import Building, Landed, exchange
from pxe.build.manifest import ADDED, Manifest, Signature, describe
from pxe.build.progress import Progress
from pxe.images import ImageNotFound, read_manifest
from pxe.process import without_credentials

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Part:
    """One file: `source` is a URL or path, `checksum` as it is typed, the signature is detached."""

    source: str
    checksum: str | None
    signature: str | None = None
    keyring: Path | None = None


@dataclass(frozen=True)
class Offer:
    """An image to add: a disk, or a kernel with its initramfs."""

    name: str
    main: Part
    initramfs: Part | None = None
    kernel_arguments: tuple[str, ...] = ()
    compress: bool = False
    """Keep a disk as raw, compressed by zstd, whatever came."""

    @property
    def parts(self) -> dict[str, Part]:
        """By what a manifest calls them."""
        return {"kernel": self.main, "initramfs": self.initramfs} if self.initramfs else {"disk": self.main}


def add(offer: Offer, images_dir: Path, progress: Progress, report: Report, *, force: bool = False) -> Landed:
    """Bring the image into `images_dir`, whole or not at all; raises Refused, NotFetched."""
    _check_name(offer.name)
    wanted = {name: _wanted(part) for name, part in offer.parts.items()}
    there = _present(images_dir, offer.name)
    if there and not force:
        raise Refused(
            f"there is an image '{offer.name}' already ({there.kind}, {there.built}): --force replaces it"
        )
    with exchange(images_dir, offer.name, progress) as building:
        signed = []
        for name, known in wanted.items():
            signed.append(_bring(offer.parts[name], known, building.product / name, progress, report))
        disk = None if offer.initramfs else _disk(offer, building, progress)
        with progress.phase("checksums"):
            manifest = _manifest(offer, disk, signed, building.product)
        building.finish(manifest)
    return Landed(images_dir / offer.name, manifest, built_now=True)


@dataclass(frozen=True)
class _Known:
    """What a part must be, by the word of whom."""

    checksum: Checksum
    signed_by: Signature | None = None


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Refused(
            f"'{name}' is no name of an image: lower-case letters, digits, and '.', '_', '-' inside"
        )


def _present(images_dir: Path, name: str) -> Manifest | None:
    try:
        return read_manifest(images_dir, name)
    except ImageNotFound:
        return None


def _wanted(part: Part) -> _Known:
    """The checksum; of a signed list, who signed that."""
    if part.checksum is None:
        raise Refused(checksums.HOW)
    if (part.signature is None) is not (part.keyring is None):
        raise Refused("--signature and --keyring go together: by which keys could it be checked?")
    if typed := checksums.parse(part.checksum):
        return _Known(typed)
    document = fetch_small(part.checksum)
    found = checksums.listed(document.decode(errors="replace"), file_name(part.source))
    return _Known(found, _signer_of_list(part, document))


def _signer_of_list(part: Part, document: bytes) -> Signature | None:
    """Many sign the list of checksums and not the images; None: then it is to be the image's own."""
    if part.signature is None or part.keyring is None:
        return None
    with tempfile.NamedTemporaryFile() as file:
        file.write(document)
        file.flush()
        try:
            return signature.check(Path(file.name), fetch_small(part.signature), part.keyring, "checksums")
        except signature.OtherBytes:
            return None


def _bring(part: Part, known: _Known, path: Path, progress: Progress, report: Report) -> Signature | None:
    """Fetch one file and compare; who signed it, if that is known."""
    found = fetch(part.source, path, known.checksum.algorithm, report)
    if found != known.checksum.digits:
        raise Refused(
            f"{without_credentials(part.source)} is not what it should be: its {known.checksum.algorithm} is "
            f"{found}, not {known.checksum.digits}. Nothing was added. It is damaged, or another version"
        )
    path.chmod(0o644)
    if part.signature is None or part.keyring is None or known.signed_by:
        return known.signed_by
    with progress.phase("signature"):
        return signature.check(path, fetch_small(part.signature), part.keyring, "image")


def _disk(offer: Offer, building: Building, progress: Progress) -> DiskImage:
    path = building.product / "disk"
    try:
        with progress.phase("looking into the image"):
            found = inspect(path)
    except Refused as error:
        source = without_credentials(offer.main.source)
        raise Refused(f"{source} is refused: {error}. Nothing was added") from None
    if not offer.compress or found.compression:
        return found
    with progress.phase("compressing"):
        compress(path, found.disk_format, building.scratch)
    return replace(found, disk_format="raw", compression="zstd")


def _manifest(
    offer: Offer, disk: DiskImage | None, signed: Sequence[Signature | None], folder: Path
) -> Manifest:
    files = {name: describe(folder / name) for name in offer.parts}
    return Manifest(
        name=offer.name,
        kind="os" if disk else "ramdisk",
        parts={name: name for name in files},
        files=files,
        disk_format=disk.disk_format if disk else None,
        compression=disk.compression if disk else None,
        virtual_size=disk.virtual_size if disk else None,
        kernel_arguments=offer.kernel_arguments,
        size=sum(entry.size for entry in files.values()),
        built=datetime.now(UTC).isoformat(timespec="seconds"),
        recipe=ADDED,
        source=without_credentials(offer.main.source),
        signature=signed[0] if all(signed) else None,
    )
