from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwdrivers.agent_inventory import from_agent
from hwdrivers.bmc import BootMode
from hwdrivers.inventory import CPU, NIC, Disk, Inventory

# Field by field as ironic-python-agent 13.0.0 serialises them, with the values of a QEMU guest.
DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "data/hwdrivers/agent-qemu-bios.json").read_text()
)
RUBBISH = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([]) | st.just({})


def test_a_machine_with_two_disks() -> None:
    assert from_agent(DOCUMENT) == Inventory(
        cpu=CPU("x86_64", 2, "QEMU Virtual CPU version 2.5+", None),
        memory_mib=3072,
        disks=(
            Disk(
                "/dev/sda",
                8589934592,
                "lab1-a",
                None,
                "QEMU HARDDISK",
                "ATA",
                True,
                "/dev/disk/by-path/pci-0000:00:01.1-ata-1",
                hctl="0:0:0:0",
            ),
            Disk(
                "/dev/nvme0n1",
                4294967296,
                "lab1-b",
                "nvme.1b36-6c6162312d62-51454d55",
                "QEMU NVMe Ctrl",
                None,
                False,
                "/dev/disk/by-path/pci-0000:00:04.0-nvme-1",
                wwn_with_extension="nvme.1b36-6c6162312d62-51454d55",
            ),
        ),
        nics=(NIC("ens3", "52:54:00:aa:00:01", "0x1af4", "0x1000", "virtio_net", True, "10.0.0.101", None),),
        vendor="QEMU",
        product="Standard PC (i440FX + PIIX, 1996)",
        boot_mode=BootMode.BIOS,
        boot_mac="52:54:00:aa:00:01",
    )


def test_the_inventory_alone_is_read_as_well() -> None:
    inside = from_agent(DOCUMENT["inventory"])
    assert inside == from_agent(DOCUMENT)


def test_units_and_placeholders() -> None:
    inventory = from_agent(
        {
            "cpu": {"frequency": "2100.0000", "count": "64"},
            "memory": {"total": 3101769728, "physical_mb": None},
            "system_vendor": {"serial_number": "To be filled by O.E.M.", "manufacturer": " Supermicro "},
            "bmc_address": "10.0.0.5",
        }
    )
    assert inventory.cpu == CPU(count=64, frequency_mhz=2100.0)
    assert inventory.memory_mib == 2958
    assert (inventory.serial, inventory.vendor, inventory.bmc_address) == (None, "Supermicro", "10.0.0.5")


def _paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, item in items for below in _paths(item, (*path, key)))]


@given(st.data())
def test_missing_fields_and_wrong_types_are_absent_not_errors(data: st.DataObject) -> None:
    document = copy.deepcopy(DOCUMENT)
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(_paths(document)[1:] or [("inventory",)]))
        parent: Any = document
        for key in path[:-1]:
            parent = parent[key]
        if data.draw(st.booleans()):
            parent[path[-1]] = data.draw(RUBBISH)
        elif isinstance(parent, dict):
            del parent[path[-1]]
    inventory = from_agent(document)
    assert Inventory.from_dict(json.loads(json.dumps(inventory.to_dict()))) == inventory


def test_an_inventory_survives_storage() -> None:
    inventory = from_agent(DOCUMENT)
    assert Inventory.from_dict(json.loads(json.dumps(inventory.to_dict()))) == inventory
    assert Inventory.from_dict({}) == Inventory()
    with pytest.raises(ValueError, match="memory_mib"):
        Inventory.from_dict({"memory_mib": "much"})
