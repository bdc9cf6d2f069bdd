"""Images are found by name and trusted only as far as their bytes go."""

from __future__ import annotations

from pathlib import Path

import pytest

from pxe.build.manifest import Manifest, describe
from pxe.images import (
    ChecksumMismatch,
    ImageNotFound,
    ManifestBroken,
    list_images,
    load,
    load_container,
    load_os_image,
    load_ramdisk,
    verify,
)


def put(images: Path, name: str, kind: str, parts: dict[str, bytes], **more: object) -> None:
    folder = images / name
    folder.mkdir(parents=True)
    for part, content in parts.items():
        (folder / part).write_bytes(content)
    fields = {
        "name": name,
        "kind": kind,
        "parts": {part: part for part in parts},
        "files": {part: describe(folder / part) for part in parts},
        "size": sum(map(len, parts.values())),
        "built": "2026-11-22T15:00:00+00:00",
        "recipe": "r",
        **more,
    }
    (folder / "manifest.json").write_text(Manifest.model_validate(fields).model_dump_json())


@pytest.fixture
def images(tmp_path: Path) -> Path:
    put(tmp_path, "debian-12", "os", {"disk": b"QFI\xfb" * 999}, disk_format="qcow2", virtual_size=2**31)
    put(tmp_path, "ramdisk-cloud", "ramdisk", {"kernel": b"MZ", "initramfs": b"\x28\xb5" * 999})
    put(tmp_path, "etcd", "container", {"archive": b"tar"})
    return tmp_path


def test_each_kind_is_loaded_and_intact(images: Path) -> None:
    for image in (
        load_os_image(images, "debian-12"),
        load_ramdisk(images, "ramdisk-cloud"),
        load_container(images, "etcd"),
    ):
        verify(image)
        assert load(images, image.name) == image


def test_an_os_image_tells_what_it_needs(images: Path) -> None:
    image = load_os_image(images, "debian-12")
    assert (image.disk_format, image.virtual_size) == ("qcow2", 2**31)
    assert image.path.read_bytes().startswith(b"QFI")


@pytest.mark.parametrize(
    ("name", "part"), [("debian-12", "disk"), ("ramdisk-cloud", "initramfs"), ("etcd", "archive")]
)
def test_a_truncated_file_is_named_with_both_checksums(images: Path, name: str, part: str) -> None:
    path = images / name / part
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ChecksumMismatch) as caught:
        verify(load(images, name))
    assert caught.value.path == path
    assert caught.value.expected in str(caught.value)
    assert caught.value.found in str(caught.value)
    assert "undercloud image build-" in str(caught.value)


def test_one_flipped_bit_is_seen(images: Path) -> None:
    path = images / "debian-12/disk"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ChecksumMismatch):
        verify(load_os_image(images, "debian-12"))


def test_an_unknown_name_lists_what_there_is_and_how_to_build(images: Path) -> None:
    with pytest.raises(ImageNotFound) as caught:
        load_os_image(images, "debian-13")
    assert "debian-12, etcd, ramdisk-cloud" in str(caught.value)
    assert "undercloud image build-os" in str(caught.value)


def test_a_folder_that_does_not_exist_is_not_found_too(tmp_path: Path) -> None:
    with pytest.raises(ImageNotFound, match="build-ramdisk"):
        load_ramdisk(tmp_path / "nothing", "ramdisk-cloud")
    assert list_images(tmp_path / "nothing") == []


def test_an_image_of_another_kind_is_not_taken(images: Path) -> None:
    with pytest.raises(ImageNotFound, match="container image, not os"):
        load_os_image(images, "etcd")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "debian-12"}'])
def test_a_broken_manifest_is_no_missing_image(images: Path, text: str) -> None:
    (images / "debian-12/manifest.json").write_text(text)
    with pytest.raises(ManifestBroken, match=r"manifest\.json"):
        load_os_image(images, "debian-12")
    with pytest.raises(ManifestBroken):
        list_images(images)


def test_a_missing_file_is_broken_not_intact(images: Path) -> None:
    (images / "ramdisk-cloud/initramfs").unlink()
    with pytest.raises(ManifestBroken, match="initramfs"):
        load_ramdisk(images, "ramdisk-cloud")


def test_builds_in_progress_are_not_listed(images: Path) -> None:
    put(images, ".debian-12.building-abc", "os", {"disk": b""}, disk_format="qcow2", virtual_size=1)
    assert [entry.name for entry in list_images(images)] == ["debian-12", "etcd", "ramdisk-cloud"]
