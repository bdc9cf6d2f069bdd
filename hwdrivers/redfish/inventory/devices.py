"""PCIe devices and what else computes: accelerators, and the cards that are told nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hwdrivers.inventory import Device, Processor
from hwdrivers.redfish.inventory.found import Found, keys_of, own
from hwdrivers.redfish.inventory.network import Adapter
from hwdrivers.redfish.inventory.resource import Resource, labelled
from hwdrivers.redfish.inventory.twins import Told

# Names tell where DeviceClass does not (Cisco CIMC, HPE iLO 5, Supermicro X13 give none or wrong ones).
_WORDS = (
    ("SmartNIC", re.compile(r"smart ?nic|bluefield|\bdpu\b|\bipu\b|\bmbf\d|pensando|stingray", re.I)),
    ("FPGA", re.compile(r"\bfpga\b|alveo|stratix|arria|agilex|versal", re.I)),
    (
        "GPU",
        re.compile(
            r"\bgpu\d*\b|tesla|quadro|geforce|instinct|radeon|\b(nvidia|amd) (gh?|gb|[ablhtvp])\d{1,3}0?\b"
            r"|\b[ahlv]\d{2,3}s?[ -](sxm|pcie|\d+ ?gb)|\bmi\d{3}\b|data ?center gpu|flex 1[47]0",
            re.I,
        ),
    ),
    ("Accelerator", re.compile(r"accelerator|gaudi|habana|inferentia|\bnpu\b|\btpu\b|\bqat\b", re.I)),
)
_SLOT = re.compile(r"(pcie?|cxl)[ -]?(device|slot)|network ?adapter( view)?$", re.I)
# What a device of no known class is, by its name.
_WORDS_OF_CLASS = (
    ("MassStorageController", re.compile(r"\braid\b|\bsas\b|\bsata\b|\bhba\b|\bnvme\b|storage", re.I)),
    ("NetworkController", re.compile(r"\bnic\b|ethernet|\bvic\b|\blom\b|network|connectx|infiniband", re.I)),
)
_NO_ACCELERATOR = re.compile(r"nv ?switch|hgx .*\d+ gpu|nvlink", re.I)
_ACCELERATORS = {"GPU", "FPGA", "DSP", "Accelerator", "SmartNIC"}
# pci-ids.ucw.cz: for devices of which AMI's BMCs tell the numbers alone.
_PCI_VENDORS: Mapping[int | None, str] = {
    **{
        0x1002: "AMD",
        0x1022: "AMD",
        0x10DE: "NVIDIA",
        0x8086: "Intel",
        0x15B3: "Mellanox",
        0x14E4: "Broadcom",
    },
    **{0x1000: "Broadcom", 0x144D: "Samsung", 0x1E0F: "KIOXIA", 0x1344: "Micron", 0x1C5C: "SK hynix"},
    **{0x1A03: "ASPEED", 0x102B: "Matrox", 0x10EE: "Xilinx", 0x1172: "Altera", 0x1DD8: "Pensando"},
}
# Vendors whose display controllers compute; the others (ASPEED, Matrox) are the BMC's own.
_GPU_VENDORS = {0x10DE, 0x1002}
# PCI Code and ID Assignment Specification, the first byte of ClassCode.
_CLASSES = {
    **{1: "MassStorageController", 2: "NetworkController", 3: "DisplayController", 4: "MultimediaController"},
    **{5: "MemoryController", 6: "Bridge", 7: "CommunicationController", 8: "GenericSystemPeripheral"},
    **{0xB: "Processor", 0xC: "SerialBusController", 0x12: "ProcessingAccelerators"},
}
_CHIPSET = {
    "Bridge",
    "SerialBusController",
    "CommunicationController",
    "MemoryController",
    "BaseSystemPeripheral",
    "GenericSystemPeripheral",
    "NonEssentialInstrumentation",
    "SignalProcessingController",
}


def read_devices(system: Resource, chassis: Iterable[Resource], told: Told) -> list[Found[Device]]:
    """PCIe devices that are told nowhere else, nor are a part of the chipset."""
    found = []
    for name, item, keys in _listed(system, chassis):
        device = None if keys & told.keys or not item.present else _device(name, item)
        if device is not None and not told.has(device, item):
            found.append(Found(device, keys, own(item)))
    return found


def _listed(system: Resource, chassis: Iterable[Resource]) -> Iterator[tuple[str, Resource, frozenset[str]]]:
    """Each once: iDRAC 9 lists a device below its system and below its chassis, by the same Id and Name."""
    own = system.members("PCIeDevices")
    others = {item.path: item for place in chassis for item in place.members("PCIeDevices")}
    twins = {(item.id, item.text("Name")): item for item in others.values()}
    paths = {item.path for item in own}
    for name, item in labelled(own):
        twin = twins.get((item.id, item.text("Name")))
        yield name, item, _keys(item) | (_keys(twin) if twin is not None else frozenset())
    mine = {(item.id, item.text("Name")) for item in own}
    for name, item in labelled(list(others.values())):
        if item.path not in paths and (item.id, item.text("Name")) not in mine:
            yield name, item, _keys(item)


def read_graphics(system: Resource) -> list[Found[Device]]:
    """GraphicsControllers: mostly the BMC's own."""
    named = labelled(system.members("GraphicsControllers"))
    return [
        Found(_described(name, "GraphicsController", item), _keys(item), own(item))
        for name, item in named
        if item.present
    ]


def read_hpe_devices(chassis: Iterable[Resource]) -> list[Found[Device]]:
    """Oem.Hpe.Links.Devices of iLO 5: where it tells GPUs, which are in no Processors of its own."""
    items = [item for place in chassis for item in place.members("Oem", "Hpe", "Links", "Devices")]
    gpus = [item for item in items if item.present and item.value("DeviceType") == "GPU"]
    return [
        Found(_described(name, _kind_of(_text(item), "GPU"), item), _keys(item), own(item))
        for name, item in labelled(gpus, "Location")
    ]


def is_accelerator(device: Device) -> bool:
    return device.kind in _ACCELERATORS


def smart_nic(adapter: Adapter, dpus: Sequence[str]) -> bool:
    """A card that computes by itself: it says so, has processors, or is in the chassis of a DPU."""
    device = adapter.found.part
    words = " ".join(filter(None, (device.model, device.name, device.part_number)))
    inside = any(adapter.resource.path.startswith(chassis) for chassis in dpus)
    return inside or _kind_of(words, None) == "SmartNIC" or bool(adapter.resource.members("Processors"))


def as_accelerator(found: Found[Device], kind: str = "Accelerator") -> Found[Processor]:
    """A device in the form of a processor."""
    part = found.part
    kind = part.kind if part.kind in _ACCELERATORS else kind
    accelerator = Processor(
        name=part.name,
        kind=kind,
        vendor=part.vendor,
        model=part.model,
        serial=part.serial,
        part_number=part.part_number,
        firmware=part.firmware,
        health=part.health,
    )
    return Found(accelerator, found.keys, found.documents)


def _keys(item: Resource) -> frozenset[str]:
    links = (
        "Processors",
        "PCIeDevice",
        "NetworkAdapters",
        "Drives",
        "StorageControllers",
        "NetworkDeviceFunctions",
    )
    return keys_of(item, *(item.paths("Links", name) for name in links))


def _device(name: str, item: Resource) -> Device | None:
    """None for a part of the chipset, and for a slot of which nothing is told but its number."""
    functions = [f for f in (item.members("PCIeFunctions") or item.members("Links", "PCIeFunctions")) if f]
    classes = {_class(f) for f in functions} - {None}
    nameless = not item.first("SerialNumber", "Model", "PartNumber")
    told = classes or item.text("Manufacturer") or _speaking_name(item)
    if nameless and (not told or (classes and classes <= _CHIPSET)):
        return None
    vendors = [_PCI_VENDORS.get(_hex(f.value("VendorId"))) for f in functions]
    return _described(name, _kind(item, functions), item, next(filter(None, vendors), None))


def _described(name: str, kind: str | None, item: Resource, vendor: str | None = None) -> Device:
    return Device(
        name=name,
        kind=kind,
        vendor=item.text("Manufacturer") or item.text("Oem", "Supermicro", "GPUVendor") or vendor,
        model=_model(item),
        part_number=item.first("ProductPartNumber", "PartNumber"),
        serial=item.text("SerialNumber"),
        firmware=item.text("FirmwareVersion") or item.text("FirmwareVersion", "Current", "VersionString"),
        health=item.health,
    )


def _model(item: Resource) -> str | None:
    """Lenovo tells "N/A" in Model, iLO 5 the part number, and both what it is in Name."""
    model, name = item.text("Model"), item.text("Name")
    if name == item.text("Manufacturer") or _speaking_name(item) is None:
        name = None
    return name or model if model in (None, item.text("PartNumber")) else model


def _speaking_name(item: Resource) -> str | None:
    """A name that is more than the slot: Cisco CIMC tells nothing but "Cisco UCS VIC 1455" in Name."""
    name = item.text("Name")
    return None if name == item.text("Id") or _SLOT.match(name or "") else name


def _kind(item: Resource, functions: list[Resource]) -> str | None:
    """GPU, FPGA, SmartNIC and so on where anything tells, else the PCI class of its first function."""
    classes = [c for c in map(_class, functions) if c]
    plain = next((c for c in classes if c != "Bridge"), next(iter(classes), None)) or _class_by_name(item)
    if plain == "ProcessingAccelerators":
        return _kind_of(_text(item), "Accelerator")
    if plain == "DisplayController" and any(_is_gpu(f) for f in functions):
        return "GPU"
    named = _kind_of(_text(item), plain)
    # A riser "for GPU" is none: Lenovo SR670 V2 has a PCIe switch of that name, class 01.07.
    contradicts = named == "GPU" and plain not in (None, "DisplayController", "Bridge", "Processor")
    return plain if contradicts or plain == "MassStorageController" else named


def _class_by_name(item: Resource) -> str | None:
    return next((kind for kind, words in _WORDS_OF_CLASS if words.search(_text(item))), None)


def _class(function: Resource) -> str | None:
    """DeviceClass, or what ClassCode tells where that is "Other"."""
    told = function.text("DeviceClass")
    code = re.match(r"0x([0-9a-fA-F]{2})[0-9a-fA-F]{4}$", function.text("ClassCode") or "")
    return (_CLASSES.get(int(code[1], 16)) if code else None) if told in (None, "Other") else told


def _kind_of(text: str, otherwise: str | None) -> str | None:
    if _NO_ACCELERATOR.search(text):
        return "Switch" if "switch" in text.lower() else "Baseboard"
    return next((kind for kind, pattern in _WORDS if pattern.search(text)), otherwise)


def _text(item: Resource) -> str:
    words = (item.text(name) for name in ("Manufacturer", "Model", "Name", "Description"))
    return " ".join(filter(None, words))


def _is_gpu(function: Resource) -> bool:
    """A 3D controller (PCI class 03.02) or a display controller of NVIDIA or AMD."""
    code = function.text("ClassCode") or ""
    return code.lower().startswith("0x0302") or _hex(function.value("VendorId")) in _GPU_VENDORS


def _hex(value: object) -> int | None:
    """ "0x10de", or iLO 5's "4318"."""
    try:
        return int(value, 0) if isinstance(value, str) else None
    except ValueError:
        return None
