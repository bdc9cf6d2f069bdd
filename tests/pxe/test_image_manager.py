"""The ramdisk's image manager writes files and loop devices here, from a real HTTP server."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from breaking_server import GONE, Shelf, serving

from pxe import configdrive
from pxe.build.agent import partitions
from pxe.build.agent.order import ImageOrder, NotWritten
from pxe.build.agent.partitions import stretch
from pxe.build.agent.target import MIB, Target
from pxe.build.agent.writing import write

SIZE = 12 * MIB
DIRT = b"\xa5"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A GPT disk with a partition, data here and there, zeros between, in all formats; by path."""
    folder = tmp_path_factory.mktemp("shop")
    raw = folder / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(SIZE)
    subprocess.run(["sgdisk", "--new=1:2048:0", raw], check=True, capture_output=True)
    with raw.open("r+b") as file:
        for place in (3 * MIB, 7 * MIB + 4096, SIZE - 2 * MIB):
            file.seek(place)
            file.write(random.Random(place).randbytes(70_000))
    subprocess.run(["zstd", "-q", raw], check=True)
    subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", raw, folder / "disk.qcow2"], check=True)
    return {f"/{path.name}": path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def shop(images: dict[str, bytes]) -> Iterator[Shelf]:
    with serving(Shelf(dict(images))) as shelf:
        yield shelf


@pytest.fixture
def image(images: dict[str, bytes]) -> bytes:
    return images["/disk.raw"]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Larger than the image, and full of what somebody had there before."""
    path = tmp_path / "disk"
    path.write_bytes(DIRT * (SIZE + MIB))
    with path.open("r+b") as file:
        file.truncate(SIZE + 100 * MIB)
    return path


def order(shop: Shelf, name: str = "disk.raw.zst") -> ImageOrder:
    content = shop.files[f"/{name}"]
    return ImageOrder(
        urls=(f"{shop.url}/{name}",),
        sha512=hashlib.sha512(content).hexdigest(),
        size=len(content),
        disk_format="qcow2" if name.endswith("qcow2") else "raw",
        virtual_size=SIZE,
        compression="zstd" if name.endswith("zst") else None,
    )


def beginning(disk: Path) -> bytes:
    with disk.open("rb") as file:
        return file.read(SIZE)


def has_no_table(disk: Path) -> bool:
    return beginning(disk)[:MIB] == bytes(MIB)


@pytest.mark.parametrize("name", ["disk.raw", "disk.raw.zst", "disk.qcow2"])
def test_the_disk_reads_as_the_image_and_nothing_old_shows_through(
    shop: Shelf, image: bytes, disk: Path, tmp_path: Path, name: str
) -> None:
    told: list[int] = []
    write(order(shop, name), str(disk), tmp_path, told.append)
    assert beginning(disk) == image
    assert told[-1] == len(shop.files[f"/{name}"])
    assert told == sorted(told)
    assert [path.name for path in tmp_path.glob("image-*")] == []


@pytest.mark.parametrize("name", ["disk.raw", "disk.raw.zst"])
def test_a_disk_that_cannot_zero_gets_zeros_written(
    shop: Shelf, image: bytes, disk: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "fallocate").write_text("#!/bin/sh\necho Operation not supported >&2; exit 1\n")
    (tools / "fallocate").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    write(order(shop, name), str(disk), tmp_path)
    assert beginning(disk) == image


@pytest.mark.parametrize("name", ["disk.raw", "disk.raw.zst", "disk.qcow2"])
def test_a_wrong_checksum_is_told_and_leaves_nothing_that_boots(
    shop: Shelf, image: bytes, disk: Path, tmp_path: Path, name: str
) -> None:
    good = order(shop, name)
    with pytest.raises(NotWritten) as caught:
        write(replace(good, sha512="0" * 128), str(disk), tmp_path)
    assert f"found {'0' * 128}" not in str(caught.value)
    assert f"sha512 {good.sha512}, expected {'0' * 128}" in str(caught.value)
    assert "undercloud image verify" in str(caught.value)
    if name != "disk.qcow2":  # which is not begun to be written before its checksum is right
        assert has_no_table(disk)
    else:
        assert beginning(disk) == DIRT * SIZE
    assert [path.name for path in tmp_path.glob("image-*")] == []


def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    shop: Shelf, image: bytes, disk: Path, tmp_path: Path
) -> None:
    shop.breaks = [5 * MIB, 3 * MIB]
    write(order(shop, "disk.raw"), str(disk), tmp_path)
    assert beginning(disk) == image
    assert shop.asked == [None, f"bytes={5 * MIB}-", f"bytes={8 * MIB}-"]


def test_a_seed_that_is_started_again_is_asked_again(
    shop: Shelf, image: bytes, disk: Path, tmp_path: Path
) -> None:
    shop.breaks = [4 * MIB, 0]  # an answer that ends before its first byte
    write(order(shop, "disk.raw"), str(disk), tmp_path)
    assert beginning(disk) == image
    assert shop.asked == [None, *[f"bytes={4 * MIB}-"] * 2]


def test_the_next_url_is_asked_when_one_has_nothing(
    shop: Shelf, image: bytes, disk: Path, tmp_path: Path
) -> None:
    there = order(shop)
    write(replace(there, urls=(f"{shop.url}/gone", *there.urls)), str(disk), tmp_path)
    assert beginning(disk) == image


@pytest.mark.parametrize("name", ["disk.qcow2", "disk.raw", "disk.raw.zst"])
def test_a_machine_that_passes_on_damaged_bytes_is_not_asked_again(
    shop: Shelf, image: bytes, disk: Path, tmp_path: Path, name: str
) -> None:
    good = order(shop, name)
    damaged = bytearray(shop.files[f"/{name}"])
    damaged[len(damaged) // 2] ^= 1
    shop.files["/damaged"] = bytes(damaged)
    write(replace(good, urls=(f"{shop.url}/damaged", *good.urls)), str(disk), tmp_path)
    assert beginning(disk) == image
    assert list(tmp_path.glob("image-*")) == []


def test_an_image_that_is_deleted_meanwhile_leaves_nothing_that_boots(
    shop: Shelf, image: bytes, disk: Path, tmp_path: Path
) -> None:
    shop.breaks = [6 * MIB, GONE]
    with pytest.raises(NotWritten, match=rf"broke off at {6 * MIB} of {SIZE} bytes; .* answers 404"):
        write(order(shop, "disk.raw"), str(disk), tmp_path)
    assert has_no_table(disk)


@pytest.mark.parametrize("size", [SIZE - MIB, SIZE + MIB])
def test_an_image_of_another_size_than_it_is_said_to_have(
    shop: Shelf, image: bytes, disk: Path, tmp_path: Path, size: int
) -> None:
    with pytest.raises(NotWritten, match=r"image is larger|image ends after"):
        write(replace(order(shop), virtual_size=size), str(disk), tmp_path)
    assert has_no_table(disk)


def test_a_stream_that_is_no_zstd(shop: Shelf, image: bytes, disk: Path, tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="cannot be decompressed"):
        write(replace(order(shop, "disk.raw"), compression="zstd"), str(disk), tmp_path)
    assert has_no_table(disk)


def test_a_disk_that_is_too_small_is_not_touched(shop: Shelf, image: bytes, tmp_path: Path) -> None:
    disk = tmp_path / "small"
    disk.write_bytes(DIRT * MIB)
    with pytest.raises(NotWritten, match=f"has {MIB} bytes, the image needs {SIZE}"):
        write(order(shop), str(disk), tmp_path)
    assert disk.read_bytes() == DIRT * MIB


def test_a_qcow2_image_that_memory_cannot_take(shop: Shelf, image: bytes, disk: Path, tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match=r"goes through memory: .* Convert it to compressed raw"):
        write(replace(order(shop, "disk.qcow2"), size=1 << 50), str(disk), tmp_path)
    assert beginning(disk) == DIRT * SIZE


@pytest.mark.parametrize("change", [{"disk_format": "vmdk"}, {"compression": "xz"}])
def test_what_this_ramdisk_cannot_write_is_refused(shop: Shelf, image: bytes, change: dict[str, str]) -> None:
    with pytest.raises(NotWritten, match="build it again: undercloud image build-ramdisk"):
        ImageOrder.read({**vars(order(shop)), **change})


@pytest.fixture
def loop(disk: Path) -> Iterator[str]:
    if os.geteuid():
        pytest.skip("a loop device needs root")
    done = subprocess.run(["losetup", "--find", "--show", disk], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr}")
    yield done.stdout.strip()
    subprocess.run(["losetup", "--detach", done.stdout.strip()], check=True)


@pytest.mark.parametrize("name", ["disk.raw.zst", "disk.qcow2"])
def test_a_block_device_reads_as_the_image(
    shop: Shelf, image: bytes, loop: str, tmp_path: Path, name: str
) -> None:
    write(order(shop, name), loop, tmp_path)
    assert beginning(Path(loop)) == image


def test_a_disk_that_somebody_holds_is_refused(shop: Shelf, image: bytes, loop: str, tmp_path: Path) -> None:
    holder = os.open(loop, os.O_RDWR | os.O_EXCL)  # as a mount, md and LVM do
    try:
        with pytest.raises(NotWritten, match=rf"{loop} cannot be written: Device or resource busy"):
            write(order(shop), loop, tmp_path)
    finally:
        os.close(holder)
    assert beginning(Path(loop)) == DIRT * SIZE


def test_the_table_is_stretched_and_the_config_drive_stands_behind(
    shop: Shelf, image: bytes, disk: Path, tmp_path: Path
) -> None:
    drive = configdrive.build({"meta_data.json": b"{}"})
    write(order(shop), str(disk), tmp_path)
    assert partitions.has_gpt(str(disk))
    stretch(str(disk), drive)
    checked = subprocess.run(["sgdisk", "--verify", disk], capture_output=True, text=True, check=True).stdout
    assert "No problems found" in checked
    told = subprocess.run(["sgdisk", "--info=2", disk], capture_output=True, text=True, check=True).stdout
    start = int(told.split("First sector:")[1].split()[0]) * 512
    found = subprocess.run(
        ["blkid", "-p", "-O", str(start), "-s", "LABEL", "-o", "value", disk],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "config-2"
    with disk.open("rb") as file:
        file.seek(start)
        assert file.read(len(drive)) == drive


def test_the_kinds_of_partition_tables(disk: Path) -> None:
    with Target(str(disk)) as target:
        target.put_bytes(0, b"nonsense")
    with pytest.raises(NotWritten, match="no partition table"):
        partitions.has_gpt(str(disk))
    with disk.open("r+b") as file:
        file.seek(510)
        file.write(b"\x55\xaa")
    assert not partitions.has_gpt(str(disk))
