"""Which documents mean the same part, and which system it belongs to."""

from __future__ import annotations

from documents import (
    CHASSIS,
    ROOT,
    SYSTEM,
    Document,
    Tree,
    collection,
    link,
    links,
    read,
    service,
    with_parts,
)

DRIVE = {"CapacityBytes": 960197124096, "Model": "VK000960", "SerialNumber": "S1", "MediaType": "SSD"}
STORAGE = f"{SYSTEM}/Storage"


def _storage(drives: dict[str, Document], *more: Tree, storage: Document | None = None) -> Tree:
    inside = collection(f"{STORAGE}/1/Drives", drives)
    members = [path for path in inside if path.count("/") > STORAGE.count("/") + 2]
    document = {"Drives": links(*members), **(storage or {})}
    return service(collection(STORAGE, {"1": document}), inside, *more, system={"Storage": link(STORAGE)})


def test_a_drive_that_is_told_four_times_is_one() -> None:
    again = f"{CHASSIS}/Drives/0"
    simple = {"1": {"Devices": [{"Name": "SATA Bay 1", "Model": "VK000960", "CapacityBytes": 960197124096}]}}
    tree = _storage(
        {"0": DRIVE},
        {again: {**DRIVE, "Revision": "HPG1", "RotationSpeedRPM": 0}},
        collection(f"{SYSTEM}/SimpleStorage", simple),
    )
    tree[SYSTEM]["SimpleStorage"] = link(f"{SYSTEM}/SimpleStorage")
    tree[CHASSIS]["Links"] = {"Drives": links(f"{STORAGE}/1/Drives/0", again)}
    found = read(tree).disks
    assert [(disk.serial, disk.firmware, disk.controller) for disk in found] == [("S1", "HPG1", "1")]


def test_drives_without_serials_are_as_many_as_there_are() -> None:
    nameless = {**DRIVE, "SerialNumber": "   "}
    assert len(read(_storage({"0": nameless, "1": nameless})).disks) == 2


def test_two_members_of_one_collection_are_two_though_they_share_a_serial() -> None:
    """The adapters of NVIDIA's GB200 I/O boards have the serial number of the board."""
    adapter = {"SerialNumber": "1583124760427", "PartNumber": "699-24768", "Model": "P4768"}
    path = f"{CHASSIS}/NetworkAdapters"
    tree = service(
        collection(path, {"CX7_0": adapter, "CX7_1": adapter}), chassis={"NetworkAdapters": link(path)}
    )
    assert [device.name for device in read(tree).devices] == ["CX7_0", "CX7_1"]


def test_an_empty_bay_is_no_drive_and_a_drive_on_standby_is_one() -> None:
    states = ("Enabled", "Absent", "StandbyOffline", "UnavailableOffline")
    drives: dict[str, Document] = {
        str(number): {**(DRIVE if number == 2 else {}), "Status": {"State": state}}
        for number, state in enumerate(states)
    }
    assert [disk.name for disk in read(_storage(drives)).disks] == ["0", "2"]


def test_an_nvme_drive_is_not_a_controller_as_well() -> None:
    """iLO 5 tells it as both; Supermicro X13 tells the protocol of the controller only."""
    controller = {"SerialNumber": "S1", "Model": "VK000960", "SupportedDeviceProtocols": ["NVMe"]}
    found = read(_storage({"0": DRIVE}, storage={"StorageControllers": [{**controller, "MemberId": "0"}]}))
    assert found.controllers == ()
    assert [(disk.protocol, disk.rotational) for disk in found.disks] == [("NVMe", False)]


def test_volumes_in_words_of_2017_and_of_today() -> None:
    path = f"{STORAGE}/1/Volumes"
    told = {
        "0": {"VolumeType": "Mirrored", "Links": {"Drives": links(f"{STORAGE}/1/Drives/0")}},
        "1": {"RAIDType": "RAID10"},
        "2": {"VolumeType": "RawDevice", "RAIDType": None},
        "3": {"VolumeType": ["?"]},
    }
    tree = _storage(
        {"0": {**DRIVE, "Name": "Bay 0"}}, collection(path, told), storage={"Volumes": link(path)}
    )
    volumes = read(tree).volumes
    assert [volume.level for volume in volumes] == ["1", "1+0", "JBOD", None]
    assert volumes[0].disks == ("Bay 0",)


def test_smart_storage_is_all_that_ilo_4_has() -> None:
    smart, array = f"{SYSTEM}/SmartStorage", f"{SYSTEM}/SmartStorage/ArrayControllers"
    disk = {
        "CapacityMiB": 457862,
        "CapacityLogicalBlocks": 937703088,
        "BlockSizeBytes": 512,
        "Location": "1I:3:1",
        "InterfaceType": "SATA",
        "MediaType": "SSD",
        "SerialNumber": "S6MPNE0T802701",
        "FirmwareVersion": {"Current": {"VersionString": "HPG0"}},
    }
    tree = service(
        {smart: {"Links": {"ArrayControllers": link(array)}}},
        collection(
            array, {"0": {"Model": "P408i", "Location": "Slot 2", "Links": {"DiskDrives": link("/d")}}}
        ),
        collection("/d", {"0": disk}),
        system={"Oem": {"Hpe": {"Links": {"SmartStorage": link(smart)}}}},
    )
    found = read(tree)
    assert [(d.name, d.size_bytes, d.firmware) for d in found.disks] == [("1I:3:1", 480103981056, "HPG0")]
    assert [controller.name for controller in found.controllers] == ["Slot 2"]


def test_a_gpu_is_a_processor_a_pcie_device_and_a_graphics_controller_but_one_part() -> None:
    """Lenovo tells who made it in Processors, and its name in PCIeDevices."""
    device, graphics = f"{CHASSIS}/PCIeDevices", f"{SYSTEM}/GraphicsControllers"
    gpu = f"{SYSTEM}/Processors/GPU1"
    tree = with_parts(
        "Processors",
        {
            "CPU1": {"ProcessorType": "CPU", "TotalCores": 8},
            "GPU1": {
                "ProcessorType": "GPU",
                "Manufacturer": "NVIDIA",
                "Links": {"PCIeDevice": link(f"{device}/slot_8")},
                "ProcessorMemory": [
                    {"MemoryType": "HBM2", "CapacityMiB": 49152, "IntegratedMemory": True},
                    {"MemoryType": "L2Cache", "CapacityMiB": 96, "IntegratedMemory": True},
                ],
            },
        },
        chassis={"PCIeDevices": link(device)},
    )
    tree |= collection(device, {"slot_8": {"Name": "NVIDIA L40", "Model": "N/A", "SerialNumber": "1325"}})
    tree |= collection(graphics, {"1": {"Links": {"Processors": links(gpu)}, "BiosVersion": "95"}})
    tree[SYSTEM]["GraphicsControllers"] = link(graphics)
    found = read(tree)
    told = [(a.kind, a.vendor, a.model, a.serial, a.memory_mib) for a in found.accelerators]
    assert told == [("GPU", "NVIDIA", "NVIDIA L40", "1325", 49152)]
    assert [processor.name for processor in found.processors] == ["CPU1"]
    assert found.devices == ()


def _pcie(name: str, function: Document, **more: str) -> tuple[Document, Tree]:
    path = f"{CHASSIS}/PCIeDevices/{name}/PCIeFunctions"
    return {"PCIeFunctions": link(path), **more}, collection(path, {"0": function})


def test_what_pcie_devices_are() -> None:
    cases = {
        "h100": ({"DeviceClass": "DisplayController", "ClassCode": "0x030200"}, {"Model": "H100"}),
        "t4": ({"VendorId": "0x10de"}, {"Name": "NVIDIA T4 PCIe 16GB 70W"}),
        "alveo": (
            {"DeviceClass": "ProcessingAccelerators", "ClassCode": "0x120000"},
            {"Model": "Alveo U55C"},
        ),
        "qat": ({"ClassCode": "0x120000"}, {"Model": "C62x"}),
        "bf3": ({"DeviceClass": "NetworkController"}, {"Model": "BlueField-3 SmartNIC Main Card"}),
        "vga": ({"DeviceClass": "DisplayController", "VendorId": "0x1a03"}, {}),
        "riser": ({"DeviceClass": "Other", "ClassCode": "0x010700"}, {"Name": "Switched 4x x16 PCIe GPU"}),
        "root": ({"DeviceClass": "Bridge"}, {"Name": "Root Port #5", "Manufacturer": "Intel"}),
        "nvswitch": ({"DeviceClass": "Bridge"}, {"Model": "NVSwitch", "SerialNumber": "7"}),
        "empty": ({}, {"Name": "empty"}),
    }
    path = f"{CHASSIS}/PCIeDevices"
    parts = {name: _pcie(name, function, **more) for name, (function, more) in cases.items()}
    tree = service(
        collection(path, {name: device for name, (device, _) in parts.items()}),
        *(functions for _, functions in parts.values()),
        chassis={"PCIeDevices": link(path)},
    )
    found = read(tree)
    assert {(a.model, a.kind) for a in found.accelerators} == {
        ("H100", "GPU"),
        ("NVIDIA T4 PCIe 16GB 70W", "GPU"),
        ("Alveo U55C", "FPGA"),
        ("C62x", "Accelerator"),
        ("BlueField-3 SmartNIC Main Card", "SmartNIC"),
    }
    kinds = [(d.name, d.kind, d.vendor) for d in found.devices]
    assert kinds == [
        ("vga", "DisplayController", "ASPEED"),
        ("riser", "MassStorageController", None),
        ("nvswitch", "Switch", None),
    ]


def test_a_nic_is_one_however_many_documents_know_its_mac() -> None:
    adapters = f"{CHASSIS}/NetworkAdapters"
    card, functions, ports = f"{adapters}/1", f"{adapters}/1/NetworkDeviceFunctions", f"{adapters}/1/Ports"
    tree = with_parts(
        "EthernetInterfaces",
        {"1": {"PermanentMACAddress": "94-6D-AE-91-FB-22", "LinkStatus": "LinkUp"}},
        chassis={"NetworkAdapters": link(adapters)},
    )
    tree |= collection(
        adapters,
        {
            "1": {
                "Manufacturer": "Mellanox",
                "Model": "MCX75310AAS",
                "NetworkDeviceFunctions": link(functions),
                "Ports": link(ports),
                "Controllers": [
                    {"FirmwarePackageVersion": "28.37.10.14", "Location": {}, "PCIeInterface": {}}
                ],
            }
        },
    )
    assigned = {"Links": {"PhysicalPortAssignment": link(f"{ports}/1")}}
    tree |= collection(
        functions,
        {
            "1": {"Ethernet": {"MACAddress": "94:6d:ae:91:fb:22"}, **assigned},
            "2": {"NetDevFuncType": "InfiniBand", "InfiniBand": {"PortGUID": "946d:ae03:0091:fb23"}},
        },
    )
    tree |= collection(ports, {"1": {"CurrentSpeedGbps": 200, "LinkStatus": "LinkUp"}, "2": {}})
    nics = read(tree).nics
    assert [(n.mac, n.product, n.firmware, n.speed_mbps, n.adapter) for n in nics] == [
        ("94:6d:ae:91:fb:22", "MCX75310AAS", "28.37.10.14", 200000, "1"),
        (None, "MCX75310AAS", "28.37.10.14", None, "1"),
    ]
    assert [(n.kind, n.wwn) for n in nics] == [("Ethernet", None), ("InfiniBand", "946d:ae03:0091:fb23")]
    assert tree[card]["Model"] == "MCX75310AAS"


def _blades() -> Tree:
    """An enclosure with two blades, each a system with a BMC; the power supplies are the enclosure's."""
    blades = {f"Blade{n}": {"Links": _links(f"{ROOT}/Systems/{n}", f"{ROOT}/Chassis/Encl")} for n in (1, 2)}
    supply = {"MemberId": "0", "Model": "PS1450", "SerialNumber": "1", "PowerCapacityWatts": 1450}
    enclosure = {
        "ChassisType": "Enclosure",
        "Power": link(f"{ROOT}/Chassis/Encl/Power"),
        "Links": {"Contains": links(f"{ROOT}/Chassis/Blade1", f"{ROOT}/Chassis/Blade2")},
    }
    managers = {
        **{f"BMC{n}": {"Links": {"ManagerForServers": links(f"{ROOT}/Systems/{n}")}} for n in (1, 2)},
        "EnclosureManager": {"ManagerType": "EnclosureManager"},
    }
    systems = {str(n): {"Links": {"Chassis": links(f"{ROOT}/Chassis/Blade{n}")}} for n in (1, 2)}
    return service(
        collection(f"{ROOT}/Systems", systems),
        collection(f"{ROOT}/Chassis", {"Encl": enclosure, **blades}),
        collection(f"{ROOT}/Managers", managers),
        {f"{ROOT}/Chassis/Encl/Power": {"PowerSupplies": [supply]}},
    )


def _links(system: str, container: str) -> Document:
    return {"ComputerSystems": links(system), "ContainedBy": link(container)}


def test_a_blade_has_its_own_chassis_the_enclosure_around_it_and_no_other_blade() -> None:
    found = read(_blades(), f"{ROOT}/Systems/2")
    assert [enclosure.name for enclosure in found.enclosures] == ["Blade2", "Encl"]
    assert [supply.capacity_watts for supply in found.power_supplies] == [1450]
    assert [manager.name for manager in found.managers] == ["BMC2", "EnclosureManager"]


def test_a_chassis_may_be_linked_from_one_side_only() -> None:
    """HPE Cray EX links nothing: a blade's chassis has the Id of its node."""
    tree = _blades()
    for path in (f"{ROOT}/Chassis/Blade1", f"{ROOT}/Chassis/Blade2", f"{ROOT}/Chassis/Encl"):
        del tree[path]["Links"]
    for number in (1, 2):
        del tree[f"{ROOT}/Systems/{number}"]["Links"]
        tree[f"{ROOT}/Chassis/Blade{number}"]["Id"] = str(number)
    assert [enclosure.name for enclosure in read(tree, f"{ROOT}/Systems/1").enclosures] == ["1", "Encl"]


def test_the_card_of_a_dpu_is_a_smartnic_to_its_host() -> None:
    path = f"{ROOT}/Chassis/Card1/NetworkAdapters"
    tree = service(
        collection(
            f"{ROOT}/Systems",
            {
                "1": {"NetworkInterfaces": link("/nifs"), "Links": {"Chassis": links(CHASSIS)}},
                "SoC": {"SystemType": "DPU", "Links": {"Chassis": links(f"{ROOT}/Chassis/Card1")}},
            },
        ),
        collection(f"{ROOT}/Chassis", {"1": {}, "Card1": {"NetworkAdapters": link(path)}}),
        collection("/nifs", {"1": {"Links": {"NetworkAdapter": link(f"{path}/1")}}}),
        collection(path, {"1": {"Model": "SuperC 2000"}}),
    )
    host, card = read(tree), read(tree, f"{ROOT}/Systems/SoC")
    assert [(a.kind, a.model) for a in host.accelerators] == [("SmartNIC", "SuperC 2000")]
    assert ([d.model for d in card.devices], card.accelerators) == (["SuperC 2000"], ())


def test_pages_follow_each_other_and_never_for_ever() -> None:
    path = f"{SYSTEM}/Memory"
    tree = with_parts(
        "Memory", {"1": {"CapacityMiB": 8192, "Name": "A"}, "2": {"CapacityMiB": 8192, "Name": "B"}}
    )
    tree[path] = {"Members": links(f"{path}/1"), "Members@odata.nextLink": f"{path}?$skip=1"}
    tree[f"{path}?$skip=1"] = {"Members": links(f"{path}/2"), "Members@odata.nextLink": path}
    assert [module.name for module in read(tree).memory_modules] == ["A", "B"]


def test_links_may_be_whole_urls_and_stay_within_the_service() -> None:
    tree = with_parts("Memory", {"1": {"CapacityMiB": 8192}})
    tree[SYSTEM]["Memory"] = link(f"https://bmc7.example{SYSTEM}/Memory")
    assert [module.size_mib for module in read(tree).memory_modules] == [8192]


def test_members_that_come_whole_are_not_asked_for_again() -> None:
    whole = {
        **link(f"{SYSTEM}/Processors/1"),
        "Id": "1",
        "ProcessorType": "CPU",
        "TotalCores": 4,
        "Name": "CPU",
    }
    tree = service(
        {f"{SYSTEM}/Processors": {"Members": [whole]}}, system={"Processors": link(f"{SYSTEM}/Processors")}
    )
    assert [processor.cores for processor in read(tree).processors] == [4]


def test_a_service_that_tells_nothing() -> None:
    found = read({})
    assert (found.memory_mib, found.processors, found.disks, found.nics) == (None, (), (), ())
