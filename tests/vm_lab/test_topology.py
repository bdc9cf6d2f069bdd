"""A mistake in a topology is found before anything is built, and named by file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from vmlab import fleet, topology
from vmlab.errors import LabError
from vmlab.sizes import parse, render

THREE = Path(__file__).parents[2] / "vm-lab" / "topologies" / "three.yaml"


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        (
            "    serial: LAB00002",
            "    colour: blue\n    serial: LAB00002",
            "machines[1].colour",
            "unknown key",
        ),
        (
            "firmware: uefi",
            "firmware: openfirmware",
            "machines[2].firmware",
            "'bios', 'uefi', 'uefi-http' or 'secure-boot'",
        ),
        (
            "size: 8GiB, serial: lab00002-a",
            "size: 8G, serial: lab00002-a",
            "machines[1].disks[0].size",
            "8GiB",
        ),
        ("    address: 192.0.2.102\n", "", "machines[1].address", "required"),
        ("install_on: lab00003-b", "install_on: nonsense", "machines[2]", "none of the disks"),
        ("install_on: lab00001-a", "install_on: lab00001-b", "machines[0]", "first disk"),
        ("seed: 192.0.2.1\n", "seed: 203.0.113.1\n", "networks.provisioning", "not inside"),
        ('mac: "52:54:00:4c:00:02"', "mac: 52:54:00:40:00:02", "machines[1].mac", "string"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_field(
    tmp_path: Path, old: str, new: str, field: str, words: str
) -> None:
    text = THREE.read_text()
    assert text.count(old) == 1
    file = tmp_path / "rack.yaml"
    file.write_text(text.replace(old, new))
    with pytest.raises(LabError) as caught:
        topology.load(file)
    where, _, said = str(caught.value).partition(f": {field}: ")
    assert where.startswith(f"{file}:") and where.removeprefix(f"{file}:").isdigit(), str(caught.value)
    assert words in said


def test_the_line_is_that_of_the_wrong_key(tmp_path: Path) -> None:
    text = THREE.read_text().replace("    firmware: uefi", "    firmware: uefi\n    nonsense: 1")
    file = tmp_path / "rack.yaml"
    file.write_text(text)
    with pytest.raises(
        LabError, match=rf"rack\.yaml:{line_of(text, 'nonsense')}: machines\[2\]\.nonsense: unknown"
    ):
        topology.load(file)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("52:54:00:4c:00:02", "52:54:00:4c:00:01", "mac used twice: 52:54:00:4c:00:01"),
        ("198.51.100.3,", "198.51.100.2,", "BMC address used twice: 198.51.100.2"),
        ("198.51.100.3,", "198.51.100.77,", "not inside 198.51.100.0/28: 198.51.100.77"),
        ("serial: LAB00002\n", "serial: LAB00001\n", "serial used twice: LAB00001"),
    ],
)
def test_machines_that_do_not_fit_together(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = tmp_path / "rack.yaml"
    file.write_text(THREE.read_text().replace(old, new))
    with pytest.raises(LabError, match=words):
        topology.load(file)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("networks: [", ":1: not YAML"),
        ("- a\n", ":1: expected keys and values"),
        ("machines: []\nmachines: []\n", ":2: machines: given twice"),
    ],
)
def test_a_file_that_is_no_topology(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "rack.yaml"
    file.write_text(text)
    with pytest.raises(LabError) as caught:
        topology.load(file)
    assert f"{file}{words}" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="No such file"):
        topology.load(tmp_path / "absent.yaml")


def test_a_fleet_repeats_the_pattern_and_stays_consistent() -> None:
    three = topology.load(THREE)
    seven = fleet.of_size(three, 7)
    assert [machine.bmc.protocol for machine in seven.machines] == ["ipmi", "ipmi", "redfish"] * 2 + ["ipmi"]
    assert seven.machines[:3] == three.machines
    assert topology.Topology.model_validate(seven.model_dump()) == seven
    assert fleet.of_size(three, 1).machines == three.machines[:1]


def test_a_fleet_larger_than_its_network_is_refused() -> None:
    with pytest.raises(LabError, match=r"198\.51\.100\.0/28 has no address left"):
        fleet.of_size(topology.load(THREE), 14)


@pytest.mark.parametrize("text", ["512KiB", "3GiB", "1536MiB", "2TiB"])
def test_sizes_survive_being_written_and_read(text: str) -> None:
    assert render(parse(text)) == text
