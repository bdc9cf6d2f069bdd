"""Recorded trees, beside what a person reads in them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from hwdrivers import inventory
from hwdrivers.bmc import BootMode
from hwdrivers.inventory import CPU, Disk, Inventory, MemoryModule, PowerSupply, Processor, Volume
from hwdrivers.redfish.inventory import read_inventory

DATA = Path(__file__).parents[1] / "data" / "hwdrivers"


def recorded(name: str, system: str) -> tuple[Inventory, list[str]]:
    """What is read, and the paths that were asked for."""
    tree = {path.rstrip("/"): document for path, document in json.loads((DATA / name).read_text()).items()}
    asked: list[str] = []

    def get(path: str) -> dict[str, Any] | None:
        asked.append(path)
        return tree.get(path.rstrip("/"))

    return read_inventory(get, f"/redfish/v1/Systems/{system}"), asked


def test_dell_r820_whose_memory_is_converted_once_too_often_and_half_of_which_is_404() -> None:
    found, _ = recorded("dell-r820.json", "System.Embedded.1")
    assert found.memory_mib == 512 * 1024  # told as 476.837376 GiB: 512 taken for GB
    assert found.cpu == CPU("x86_64", 64, "Intel(R) Xeon(R) CPU E5-4650 0 @ 2.70GHz", None, sockets=4)
    assert (found.serial, found.sku, found.boot_mode) == ("CN747514CF0014", "G2XBKY1", BootMode.UEFI)
    assert found.disks[2] == Disk(
        "Physical Disk 0:1:2",
        size_bytes=599550590976,
        serial="6WN00JW8",
        wwn="0x5000c5002c262059",
        model="ST9600204SS",
        vendor="SEAGATE",
        rotational=True,
        protocol="SAS",
        part_number="CN07T0DW726220AF003NA00",
        firmware="FM07",
        controller="RAID.Slot.7-1",
        health="Warning",
    )
    assert [disk.size_bytes for disk in found.disks] == [
        146163105792,
        146163105792,
        599550590976,
        146163105792,
    ]
    assert [controller.model for controller in found.controllers] == ["PERC H710 Adapter", "PCIe Extender 2"]
    pair = ("Physical Disk 0:1:0", "Physical Disk 0:1:1")
    assert found.volumes[0] == Volume(
        "Disk.Virtual.0:RAID.Slot.7-1", "1", 146163105792, "RAID.Slot.7-1", pair, "OK"
    )
    assert [volume.level for volume in found.volumes] == ["1", "0", "0"]
    assert [manager.firmware for manager in found.managers] == ["2.65.65.65"]
    assert [enclosure.kind for enclosure in found.enclosures] == ["Rack", "Enclosure"]


def test_supermicro_x10_with_a_blank_serial_and_nothing_in_simple_storage() -> None:
    found, _ = recorded("supermicro-x10.json", "1")
    assert (found.vendor, found.serial, found.sku, found.memory_mib) == ("Supermicro", None, None, 65536)
    assert found.cpu == CPU("x86_64", 16, "Intel(R) Xeon(R) CPU D-1541 @ 2.10GHz", 4000.0, 1, 8)
    assert [module.name for module in found.memory_modules] == ["DIMMA1", "DIMMA2", "DIMMB1", "DIMMB2"]
    assert found.memory_modules[0] == MemoryModule(
        "DIMMA1", 16384, "DDR4", None, 2133, "Micron", "36ASF2G72PZ-2G1B1", "16E1FD76", "OK"
    )
    assert [nic.mac for nic in found.nics] == [
        "ac:1f:6b:18:a4:5a",
        "ac:1f:6b:18:a4:5b",
        "ac:1f:6b:18:a6:b2",
        "ac:1f:6b:18:a6:b3",
    ]
    assert found.disks == ()
    assert (found.bmc_address, found.managers[0].mac) == ("192.168.254.120", "ac:1f:6b:18:a2:41")


def test_dmtf_rackmount_with_an_fpga_an_empty_socket_and_an_empty_power_bay() -> None:
    found, asked = recorded("dmtf-rackmount1.json", "437XR1138R2")
    assert found.cpu == CPU("x86_64", 16, "Multi-Core Intel(R) Xeon(R) processor 7xxx Series", 3700.0, 1, 8)
    assert [processor.name for processor in found.processors] == ["CPU1"]
    assert found.accelerators == (
        Processor("FPGA1", "FPGA", "Intel(R) Corporation", "Stratix 10", memory_mib=512, health="OK"),
    )
    assert found.memory_mib == 98304
    assert [module.size_mib for module in found.memory_modules] == [32768] * 3
    assert [nic.speed_mbps for nic in found.nics] == [1000, 1000, 100]
    assert [supply.capacity_watts for supply in found.power_supplies] == [800.0]
    assert isinstance(found.power_supplies[0], PowerSupply)
    assert (found.asset_tag, found.hostname) == ("Chicago-45Z-2381", "web483")
    assert len(asked) == len({path.rstrip("/") for path in asked}), "each document is asked for once"


@pytest.mark.parametrize(
    ("name", "system"),
    [
        ("dell-r820.json", "System.Embedded.1"),
        ("supermicro-x10.json", "1"),
        ("dmtf-rackmount1.json", "437XR1138R2"),
    ],
)
def test_what_is_stored_is_read_again(name: str, system: str) -> None:
    found, _ = recorded(name, system)
    assert Inventory.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_every_field_is_documented() -> None:
    text = (DATA.parents[2] / "docs" / "inventory.md").read_text()
    parts = [kind for kind in vars(inventory).values() if dataclasses.is_dataclass(kind)]
    fields = {field.name for kind in parts for field in dataclasses.fields(kind)}
    assert {name for name in fields if not re.search(rf"`(\w+\.)?{name}(\.\w+)?`", text)} == set()
