"""Software RAID as far as files show it: two disks of one image, and which arrays may be dissolved.

That both disks boot, and what udev and md make of them, is shown by tests/bench/raid_boot.py in machines.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from pxe.build.agent import raid
from pxe.build.agent.order import NotWritten
from pxe.build.agent.partitions import CONFIG_DRIVE, partitions, stretch
from pxe.build.agent.target import MIB

SIZE = 12 * MIB
DIRT = b"\xa5"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A boot partition, and the root partition behind it, which has another number than its place."""
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.truncate(SIZE)
    names = ("--change-name=1:root", "--change-name=14:bios", "--attributes=1:set:2")
    command = ["sgdisk", "--new=14:2048:4095", "--typecode=14:ef02", "--new=1:4096:0", *names, path]
    subprocess.run(command, check=True, capture_output=True)
    with path.open("r+b") as file:
        file.seek(7 * MIB + 4096)
        file.write(random.Random(1).randbytes(70_000))
    return path


def disk(path: Path, size: int) -> str:
    """Full of what somebody had there before."""
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(DIRT * MIB)
    return str(path)


def two_of(image: Path, folder: Path) -> tuple[str, str]:
    first, second = disk(folder / "first", 90 * MIB), disk(folder / "second", 95 * MIB)
    for each in (first, second):
        raid.copy(str(image), each, SIZE)
    return first, second


def test_a_copy_reads_as_its_source_and_nothing_old_shows_through(image: Path, tmp_path: Path) -> None:
    second = two_of(image, tmp_path)[1]
    with Path(second).open("rb") as file:
        assert file.read(SIZE) == image.read_bytes()
        file.seek(-MIB, os.SEEK_END)
        assert file.read() == bytes(MIB)


def test_a_copy_that_does_not_fit_leaves_the_disk_as_it_is(image: Path, tmp_path: Path) -> None:
    small = disk(tmp_path / "small", 4 * MIB)
    with pytest.raises(NotWritten, match=f"has {4 * MIB} bytes, the image needs {SIZE}"):
        raid.copy(str(image), small, SIZE)
    assert Path(small).read_bytes() == DIRT * 4 * MIB


def test_the_last_partition_reaches_up_to_the_config_drive_and_stays_what_it_is(
    image: Path, tmp_path: Path
) -> None:
    first = two_of(image, tmp_path)[0]
    *_, before = partitions(first)
    assert (before.number, before.name, before.device("/dev/nvme0n1")) == (1, "root", "/dev/nvme0n1p1")
    stretch(first, b"config drive", grow=before)
    bios, root, drive = partitions(first)
    assert (bios.number, bios.name) == (14, "bios")
    assert (root.number, root.kind, root.guid, root.attributes, root.name, root.first) == (
        *(before.number, before.kind, before.guid, before.attributes, before.name, before.first),
    )
    assert root.last + 1 == drive.first
    assert drive.last - drive.first + 1 == CONFIG_DRIVE // 512
    checked = subprocess.run(["sgdisk", "--verify", first], capture_output=True, text=True, check=True)
    assert "No problems found" in checked.stdout


def test_no_older_superblock_is_found_at_the_end_of_what_md_gets(image: Path, tmp_path: Path) -> None:
    first = two_of(image, tmp_path)[0]
    stretch(first, b"config drive", grow=partitions(first)[-1])
    end = (partitions(first)[1].last + 1) * 512
    with Path(first).open("rb") as file:
        file.seek(end - MIB)
        assert file.read(MIB) == bytes(MIB)
        assert file.read(12) == b"config drive"


def test_the_second_disk_has_guids_of_its_own(image: Path, tmp_path: Path) -> None:
    first, second = two_of(image, tmp_path)
    root = partitions(first)[-1]
    stretch(first, b"config drive", grow=root)
    stretch(second, b"config drive", grow=root, anew=True)
    assert {each.guid for each in partitions(first)} & {each.guid for each in partitions(second)} == set()
    assert [each.kind for each in partitions(first)] == [each.kind for each in partitions(second)]


def test_a_disk_without_room_for_a_superblock_is_refused(image: Path, tmp_path: Path) -> None:
    tight = disk(tmp_path / "tight", 77 * MIB)
    raid.copy(str(image), tight, SIZE)
    with pytest.raises(NotWritten, match="too small: a RAID needs a MiB"):
        stretch(tight, b"config drive", grow=partitions(tight)[-1])


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    """One array of partitions of vda and vdb, one of whole disks that does not run, one empty."""
    block = tmp_path / "sys/block"
    for name in ("vda/vda3", "vdb/vdb3"):
        (block / name).mkdir(parents=True)
        (block / name / "partition").write_text("3\n")
    for name in ("vdc", "vdd"):
        (block / name).mkdir()
    for array, members in {"md127": ("vda/vda3", "vdb/vdb3"), "md126": ("vdc", "vdd"), "md0": ()}.items():
        slaves = block / array / "slaves"
        slaves.mkdir(parents=True)
        for member in members:
            (slaves / Path(member).name).symlink_to(block / member)
    return tmp_path / "sys"


def test_arrays_and_the_disks_that_they_are_on(sysfs: Path) -> None:
    assert raid.arrays(sysfs) == {
        "/dev/md0": {},
        "/dev/md126": {"/dev/vdc": "/dev/vdc", "/dev/vdd": "/dev/vdd"},
        "/dev/md127": {"/dev/vda3": "/dev/vda", "/dev/vdb3": "/dev/vdb"},
    }


def test_an_array_that_another_disk_takes_part_in_is_left_alone(sysfs: Path) -> None:
    with pytest.raises(NotWritten, match=r"/dev/md127 is a RAID of .* /dev/vdb is not to be written: clean"):
        raid.release(["/dev/vda"], sysfs)


def test_disks_without_an_array_need_no_mdadm(sysfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    raid.release(["/dev/vde"], sysfs)
