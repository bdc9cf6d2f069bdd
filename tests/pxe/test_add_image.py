"""An image that is added has the checksum that was given, over any connection; or nothing was added."""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from breaking_server import Shelf, serving
from disk_samples import SIZE, qcow2_disk, raw_disk, with_data_file

from pxe.adding.add import Offer, Part, add
from pxe.adding.checksums import Checksum, listed, parse
from pxe.adding.refused import NotFetched, Refused
from pxe.build.manifest import Manifest
from pxe.build.progress import Silent
from pxe.images import ChecksumMismatch, list_images, load_os_image, load_ramdisk, verify


def sums(content: bytes) -> str:
    return f"sha512:{hashlib.sha512(content).hexdigest()}"


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return qcow2_disk(tmp_path_factory.mktemp("disk") / "disk").read_bytes()


@pytest.fixture
def shelf(disk: bytes) -> Iterator[Shelf]:
    with serving(Shelf({"/disk.qcow2": disk})) as shelf:
        yield shelf


class Site:
    """Where images are added, and what was told of the bytes that came."""

    def __init__(self, images: Path) -> None:
        self.images = images
        self.told: list[tuple[int, int | None]] = []

    def add(
        self, main: Part, initramfs: Part | None = None, *, force: bool = False, **more: object
    ) -> Manifest:
        offer = Offer("ours", main, initramfs, **more)  # type: ignore[arg-type]
        report = lambda done, total: self.told.append((done, total))  # noqa: E731
        return add(offer, self.images, Silent(), report, force=force).manifest

    def left(self) -> set[str]:
        return {path.name for path in self.images.iterdir()}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "images")


def test_a_disk_from_a_web_server(site: Site, shelf: Shelf, disk: bytes) -> None:
    added = site.add(Part(f"{shelf.url}/disk.qcow2", f"sha256:{hashlib.sha256(disk).hexdigest()}"))
    image = load_os_image(site.images, "ours")
    assert image.path.read_bytes() == disk
    assert image.sha512 == hashlib.sha512(disk).hexdigest()
    assert (image.disk_format, image.compression, image.virtual_size) == ("qcow2", None, SIZE)
    assert added.source == f"{shelf.url}/disk.qcow2"
    assert site.told[-1] == (len(disk), len(disk))
    assert list_images(site.images) == [added]
    verify(image)


def test_it_goes_on_where_the_connection_broke(site: Site, shelf: Shelf, disk: bytes) -> None:
    shelf.breaks = [1000, 0, 70_000]
    site.add(Part(f"{shelf.url}/disk.qcow2", sums(disk)))
    assert shelf.asked == [None, "bytes=1000-", "bytes=1000-", "bytes=71000-"]
    assert load_os_image(site.images, "ours").path.read_bytes() == disk


def test_a_server_without_ranges_is_asked_for_all_of_it_again(site: Site, shelf: Shelf, disk: bytes) -> None:
    shelf.breaks, shelf.knows_ranges = [1000, 70_000], False
    site.add(Part(f"{shelf.url}/disk.qcow2", sums(disk)))
    assert load_os_image(site.images, "ours").path.read_bytes() == disk


def test_a_file_that_is_replaced_meanwhile_is_no_mixture(site: Site, shelf: Shelf, disk: bytes) -> None:
    class Replacing(list[int]):
        def pop(self, index: object = -1) -> int:
            shelf.version = "2"
            return super().pop()

    shelf.breaks = Replacing([1000])
    with pytest.raises(NotFetched, match="was replaced while it was fetched"):
        # The first answer tells version 1 in its headers, and breaks; the second is of version 2.
        site.add(Part(f"{shelf.url}/disk.qcow2", sums(disk)))
    assert site.left() == set()


def test_a_server_that_always_breaks_off_is_given_up(
    site: Site, shelf: Shelf, disk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    shelf.breaks = [500] + [0] * 20
    with pytest.raises(NotFetched, match=r"ended|closed|reads?|times in a row"):
        site.add(Part(f"{shelf.url}/disk.qcow2", sums(disk)))
    assert len(shelf.asked) <= 7
    assert site.left() == set()


@pytest.mark.parametrize("source", ["/missing.qcow2", "file:///nowhere/disk", "ftp://127.0.0.1/disk"])
def test_what_cannot_be_fetched_leaves_nothing(site: Site, shelf: Shelf, disk: bytes, source: str) -> None:
    with pytest.raises(NotFetched, match=r"404|No such file|not ftp"):
        site.add(Part(shelf.url + source if source.startswith("/") else source, sums(disk)))
    assert site.left() == set()


def test_another_checksum_leaves_what_was_there(site: Site, shelf: Shelf, disk: bytes) -> None:
    site.add(Part(f"{shelf.url}/disk.qcow2", sums(disk)))
    shelf.files["/disk.qcow2"] = disk[:-1] + b"!"
    with pytest.raises(Refused, match="is not what it should be"):
        site.add(Part(f"{shelf.url}/disk.qcow2", sums(disk)), force=True)
    assert load_os_image(site.images, "ours").path.read_bytes() == disk
    assert site.left() == {"ours"}


def test_an_image_is_replaced_only_by_force(site: Site, shelf: Shelf, disk: bytes, tmp_path: Path) -> None:
    site.add(Part(f"{shelf.url}/disk.qcow2", sums(disk)))
    raw = raw_disk(tmp_path / "raw")
    again = Part(str(raw), sums(raw.read_bytes()))
    with pytest.raises(Refused, match="--force replaces it"):
        site.add(again)
    site.add(again, force=True)
    assert load_os_image(site.images, "ours").disk_format == "raw"


def test_a_hostile_image_with_the_right_checksum_is_refused(site: Site, tmp_path: Path) -> None:
    hostile = with_data_file(tmp_path / "disk")
    with pytest.raises(Refused, match="external data file"):
        site.add(Part(str(hostile), sums(hostile.read_bytes())))
    assert site.left() == set()


def test_ctrl_c_leaves_nothing(site: Site, shelf: Shelf, disk: bytes) -> None:
    def pressed(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    offer = Offer("ours", Part(f"{shelf.url}/disk.qcow2", sums(disk)))
    with pytest.raises(KeyboardInterrupt):
        add(offer, site.images, Silent(), pressed)
    assert site.left() == set()


def test_a_raw_disk_keeps_its_holes(site: Site, tmp_path: Path) -> None:
    raw = raw_disk(tmp_path / "raw")
    site.add(Part(str(raw), sums(raw.read_bytes())))
    path = load_os_image(site.images, "ours").path
    assert path.read_bytes() == raw.read_bytes()
    assert path.stat().st_blocks * 512 < SIZE


def test_compressed_it_is_the_same_disk(site: Site, shelf: Shelf, disk: bytes, tmp_path: Path) -> None:
    site.add(Part(f"{shelf.url}/disk.qcow2", sums(disk)), compress=True)
    image = load_os_image(site.images, "ours")
    assert (image.disk_format, image.compression, image.virtual_size) == ("raw", "zstd", SIZE)
    unpacked = subprocess.run(["zstd", "-dcq", image.path], capture_output=True, check=True).stdout
    assert unpacked == raw_disk(tmp_path / "raw").read_bytes()
    verify(image)


def test_a_kernel_and_its_initramfs(site: Site, tmp_path: Path) -> None:
    parts = []
    for name, content in (("vmlinuz", b"MZ kernel"), ("initrd", b"\x28\xb5 initramfs")):
        (tmp_path / name).write_bytes(content)
        parts.append(Part(str(tmp_path / name), sums(content)))
    site.add(*parts, kernel_arguments=("console=ttyS0",))
    image = load_ramdisk(site.images, "ours")
    assert (image.kernel.read_bytes(), image.initramfs.read_bytes()) == (b"MZ kernel", b"\x28\xb5 initramfs")
    assert image.kernel_arguments == ("console=ttyS0",)
    image.initramfs.write_bytes(b"damaged")
    with pytest.raises(ChecksumMismatch, match="Add it again: undercloud image add ours"):
        verify(image)


# -- checksums ---------------------------------------------------------------------------------------

A256, B256, A512 = "a" * 64, "b" * 64, "a" * 128


def test_a_checksum_is_required_and_told_how_to_get(site: Site) -> None:
    with pytest.raises(Refused, match="SHA512SUMS"):
        site.add(Part("/nowhere", None))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"sha256:{A256.upper()}", Checksum("sha256", A256)),
        (A512, Checksum("sha512", A512)),
        ("https://example.com/SHA512SUMS", None),
        ("./SHA256SUMS", None),
    ],
)
def test_a_checksum_as_it_is_typed(text: str, found: Checksum | None) -> None:
    assert parse(text) == found


@pytest.mark.parametrize(
    "text", ["md5:" + "a" * 32, "a" * 32, "sha1:" + "a" * 40, "a" * 40, "sha256:abc", f"sha512:{A256}"]
)
def test_a_checksum_that_does_not_do(text: str) -> None:
    with pytest.raises(Refused):
        parse(text)


@pytest.mark.parametrize(
    "document",
    [
        f"{B256}  other.qcow2\n{A256}  disk.qcow2\n",
        f"{A256} *disk.qcow2\n",
        f"# comment\nSHA256 (disk.qcow2) = {A256}\nSHA256 (other.qcow2) = {B256}\n",
        f"{A256}  ./images/disk.qcow2\n",
        f"{A256}\n",
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{A256}  disk.qcow2\n",
    ],
)
def test_lists_of_checksums(document: str) -> None:
    assert listed(document, "disk.qcow2") == Checksum("sha256", A256)


def test_the_stronger_of_two_checksums_is_taken() -> None:
    assert listed(f"{A256}  disk\n{A512}  disk\n", "disk") == Checksum("sha512", A512)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (f"{A256}  other\n", "no checksum for disk; it is about other"),
        (f"{A256}  disk\n{B256}  disk\n", "more than one checksum"),
        ("<html>", "no checksum for disk; it is about nothing"),
    ],
)
def test_a_list_that_does_not_help(document: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        listed(document, "disk")


def test_the_list_beside_the_image(site: Site, shelf: Shelf, disk: bytes) -> None:
    shelf.files["/SHA512SUMS"] = f"{hashlib.sha512(disk).hexdigest()}  disk.qcow2\n".encode()
    site.add(Part(f"{shelf.url}/disk.qcow2", f"{shelf.url}/SHA512SUMS"))
    assert site.left() == {"ours"}
