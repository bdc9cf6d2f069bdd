"""Of several disks the one that is meant, or none and a table of them."""

from __future__ import annotations

import pytest

from hwdrivers.inventory import Disk, Inventory
from profiles.hosts import Host, Match
from profiles.root_device import GIB, RootDevice
from seed.steps.identity import NoSuchDisk, choose_disk, choose_disks

MIRROR = "0x5002538e0000001"
MACHINE = Inventory(
    disks=(
        Disk(
            "/dev/sda",
            447 * GIB,
            "S3YJ-A",
            f"{MIRROR}a",
            "SAMSUNG MZ7LH480",
            by_path="/dev/disk/by-path/pci-0000:00:17.0-ata-1",
        ),
        Disk("/dev/sdb", 447 * GIB, "S3YJ-B", f"{MIRROR}b", "SAMSUNG MZ7LH480"),
        Disk("/dev/nvme0n1", 3576 * GIB),
    )
)
TABLE = """
NAME          GIB     SERIAL  WWN                 MODEL             BY-PATH
/dev/sda      447.0   S3YJ-A  0x5002538e0000001a  SAMSUNG MZ7LH480  /dev/disk/by-path/pci-0000:00:17.0-ata-1
/dev/sdb      447.0   S3YJ-B  0x5002538e0000001b  SAMSUNG MZ7LH480  -
/dev/nvme0n1  3576.0  -       -                   -                 -"""


@pytest.mark.parametrize(
    ("hints", "name"),
    [
        (None, "/dev/sda"),
        ({"size": ">= 1000"}, "/dev/nvme0n1"),
        ({"model": "<in> samsung", "wwn": "<in> 1b"}, "/dev/sdb"),
        ({"by_path": "<in> ata-1"}, "/dev/sda"),
        ({"name": "<or> /dev/sdb <or> /dev/sdc"}, "/dev/sdb"),
    ],
)
def test_the_disk_that_is_meant(hints: dict[str, str] | None, name: str) -> None:
    wanted = RootDevice.model_validate(hints) if hints else None
    assert choose_disk(MACHINE, wanted, 2 * GIB).name == name


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        (
            {"model": "<in> samsung"},
            "2 disks fit the root device hints {'model': '<in> samsung'}; there are: ",
        ),
        ({"serial": "S4"}, "no disk fits the root device hints {'serial': 'S4'}; there are: "),
    ],
)
def test_none_or_several_stop_with_a_table(hints: dict[str, str], words: str) -> None:
    with pytest.raises(NoSuchDisk) as error:
        choose_disk(MACHINE, RootDevice.model_validate(hints), 2 * GIB)
    assert str(error.value) == words + TABLE


def test_a_machine_without_disks_has_no_table() -> None:
    with pytest.raises(NoSuchDisk, match=r"there are: none$"):
        choose_disk(Inventory(), RootDevice(serial="S4"), 2 * GIB)


def mirrored(**hints: str) -> Host:
    wanted = RootDevice.model_validate(hints) if hints else None
    return Host(match=Match(name="node-1"), software_raid=True, root_device=wanted)


def test_a_software_raid_takes_the_two_disks_that_all_hints_fit() -> None:
    pair = choose_disks(MACHINE, mirrored(model="<in> samsung"), 2 * GIB)
    assert [disk.serial for disk in pair] == ["S3YJ-A", "S3YJ-B"]


@pytest.mark.parametrize(("hints", "count"), [({}, 3), ({"serial": "S3YJ-A"}, 1), ({"serial": "S4"}, 0)])
def test_a_software_raid_of_other_than_two_disks_stops_with_a_table(
    hints: dict[str, str], count: int
) -> None:
    with pytest.raises(NoSuchDisk) as error:
        choose_disks(MACHINE, mirrored(**hints), 2 * GIB)
    assert str(error.value).startswith("software_raid takes two disks, and the root device hints ")
    assert f" fit {count}; there are: {TABLE}" in str(error.value)


def test_a_disk_that_the_image_does_not_fit_on_is_no_mirror() -> None:
    with pytest.raises(NoSuchDisk, match=r"the image needs 500\.0 GiB"):
        choose_disks(MACHINE, mirrored(model="<in> samsung"), 500 * GIB)


def test_an_array_that_an_earlier_host_left_is_no_disk() -> None:
    left = Inventory(disks=(*MACHINE.disks, Disk("/dev/md127", 400 * GIB)))
    assert choose_disk(left, None, 2 * GIB).name == "/dev/sda"
    assert len(choose_disks(left, mirrored(size="< 1000"), 2 * GIB)) == 2
