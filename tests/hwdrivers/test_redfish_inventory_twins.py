"""PCIe devices that are told elsewhere as well, in the ways of the makers who link nothing."""

from __future__ import annotations

import pytest
from documents import CHASSIS, SYSTEM, Document, Tree, collection, link, read, service

DEVICES, STORAGE, ADAPTERS = f"{CHASSIS}/PCIeDevices", f"{SYSTEM}/Storage", f"{CHASSIS}/NetworkAdapters"


def _machine(devices: dict[str, Document], classes: dict[str, str], *more: Tree) -> Tree:
    """Devices with a function of that class each."""
    functions = [
        collection(f"{DEVICES}/{name}/PCIeFunctions", {"0": {"DeviceClass": kind}})
        for name, kind in classes.items()
    ]
    linked = {
        name: {
            **device,
            **({"PCIeFunctions": link(f"{DEVICES}/{name}/PCIeFunctions")} if name in classes else {}),
        }
        for name, device in devices.items()
    }
    return service(
        collection(DEVICES, linked),
        *functions,
        *more,
        system={"Storage": link(STORAGE)},
        chassis={"PCIeDevices": link(DEVICES), "NetworkAdapters": link(ADAPTERS)},
    )


def _controller(**told: str) -> Tree:
    return collection(STORAGE, {"1": {"StorageControllers": [{"MemberId": "0", "Name": "RAID", **told}]}})


STORED = "MassStorageController"
NETWORK = "NetworkController"


@pytest.mark.parametrize(
    ("device", "kind", "elsewhere"),
    [
        pytest.param(
            {"Model": "830824-B21", "SerialNumber": "PFJHD0D52H60DG"},
            STORED,
            _controller(Model="HPE Smart Array P408i-p", SerialNumber="PFJHD0D52H60DG"),
            id="iLO 5: another name, the same serial number",
        ),
        pytest.param(
            {"Manufacturer": "Samsung", "Name": "Ent NVMe v2 AGN 1.6TB", "SerialNumber": "KRSSK0015M010C"},
            STORED,
            _controller(Model="Dell Ent NVMe v2 AGN 1.6TB", SerialNumber="S6CSNE0RB00699"),
            id="iDRAC 9: another serial number, nearly the same name",
        ),
        pytest.param({"Name": "00_01_00"}, STORED, _controller(Model="NVMe"), id="AMI: the class alone"),
        pytest.param(
            {"Name": "LOM Board", "Manufacturer": "Broadcom", "FirmwareVersion": "22.00.6"},
            NETWORK,
            collection(
                ADAPTERS,
                {
                    "1": {
                        "Manufacturer": "Broadcom",
                        "Controllers": [{"FirmwarePackageVersion": "22.0.6", "Links": {}, "Location": {}}],
                    }
                },
            ),
            id="iDRAC 9: an adapter with the same firmware",
        ),
    ],
)
def test_it_is_not_told_twice(device: Document, kind: str, elsewhere: Tree) -> None:
    tree = _machine({"00_01_00": device}, {"00_01_00": kind}, elsewhere)
    assert [found.name for found in read(tree).devices] == (["1"] if kind == NETWORK else [])
    alone = _machine({"00_01_00": device}, {"00_01_00": kind})
    assert [found.kind for found in read(alone).devices] == [kind]


def test_idrac_9_lists_a_device_below_its_system_and_below_its_chassis() -> None:
    device = {"Name": "MT28908 Family", "Manufacturer": "Mellanox"}
    tree = _machine({"202-0": device}, {"202-0": NETWORK})
    tree |= collection(f"{SYSTEM}/PCIeDevices", {"202-0": device})
    tree[SYSTEM]["PCIeDevices"] = [link(f"{SYSTEM}/PCIeDevices/202-0")]
    assert [found.model for found in read(tree).devices] == ["MT28908 Family"]


def test_another_controller_of_another_maker_is_another_part() -> None:
    tree = _machine(
        {"hba": {"Manufacturer": "Broadcom", "Model": "HBA 9500-8e"}},
        {"hba": STORED},
        _controller(Model="P408i"),
    )
    assert [found.model for found in read(tree).devices] == ["HBA 9500-8e"]


def test_mockups_give_every_part_the_same_serial_number() -> None:
    adapters = {name: {"Model": name, "SerialNumber": "2M220100SL"} for name in ("A", "B")}
    tree = _machine(
        {"Slot3": {"Model": "SuperFC 5000", "SerialNumber": "2M220100SL"}}, {}, collection(ADAPTERS, adapters)
    )
    assert [found.model for found in read(tree).devices] == ["A", "B", "SuperFC 5000"]
