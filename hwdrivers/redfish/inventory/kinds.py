"""What kind of device it is: by its PCI class where that is told, else by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hwdrivers.redfish.inventory.resource import Resource

# Names tell where DeviceClass does not (Cisco CIMC, HPE iLO 5, Supermicro X13 give none or wrong ones).
_WORDS = (
    ("SmartNIC", re.compile(r"smart ?nic|bluefield|\bdpu\b|\bipu\b|\bmbf\d|pensando|stingray", re.I)),
    ("FPGA", re.compile(r"\bfpga\b|alveo|stratix|arria|agilex|versal", re.I)),
    (
        "GPU",
        re.compile(
            r"\bgpu\d*\b|tesla|quadro|geforce|instinct|radeon|flex 1[47]0|\bmi\d{3}[a-z]?\b"
            r"|\b(nvidia|amd)[ _](rtx|gh|gb|[abghlptv])[ a]?\d{1,4}s?\b"
            r"|\b[ahlv]\d{2,3}s?[ -](sxm|pcie|\d+ ?gb)",
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
ACCELERATORS = {"GPU", "FPGA", "DSP", "Accelerator", "SmartNIC"}
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
CHIPSET = {
    "Bridge",
    "SerialBusController",
    "CommunicationController",
    "MemoryController",
    "BaseSystemPeripheral",
    "GenericSystemPeripheral",
    "NonEssentialInstrumentation",
    "SignalProcessingController",
}


def speaking_name(item: Resource) -> str | None:
    """A name that is more than the slot: Cisco CIMC tells nothing but "Cisco UCS VIC 1455" in Name."""
    name = item.text("Name")
    return None if name == item.text("Id") or _SLOT.match(name or "") else name


def kind_of_device(item: Resource, functions: Sequence[Resource]) -> str | None:
    """GPU, FPGA, SmartNIC and so on where anything tells, else the PCI class of its first function."""
    classes = [c for c in map(class_of, functions) if c]
    plain = next((c for c in classes if c != "Bridge"), next(iter(classes), None)) or _class_by_name(item)
    if plain == "ProcessingAccelerators":
        return kind_of(text_of(item), "Accelerator")
    if plain == "DisplayController" and any(_is_gpu(f) for f in functions):
        return "GPU"
    named = kind_of(text_of(item), plain)
    # A riser "for GPU" is none: Lenovo SR670 V2 has a PCIe switch of that name, class 01.07.
    contradicts = named == "GPU" and plain not in (None, "DisplayController", "Bridge", "Processor")
    return plain if contradicts or plain == "MassStorageController" else named


def _class_by_name(item: Resource) -> str | None:
    return next((kind for kind, words in _WORDS_OF_CLASS if words.search(text_of(item))), None)


def class_of(function: Resource) -> str | None:
    """DeviceClass, or what ClassCode tells where that is "Other"."""
    told = function.text("DeviceClass")
    code = re.match(r"0x([0-9a-fA-F]{2})[0-9a-fA-F]{4}$", function.text("ClassCode") or "")
    return (_CLASSES.get(int(code[1], 16)) if code else None) if told in (None, "Other") else told


def kind_of(text: str, otherwise: str | None) -> str | None:
    if _NO_ACCELERATOR.search(text):
        return "Switch" if "switch" in text.lower() else "Baseboard"
    return next((kind for kind, pattern in _WORDS if pattern.search(text)), otherwise)


def text_of(item: Resource) -> str:
    words = (item.text(name) for name in ("Manufacturer", "Model", "Name", "Description"))
    return " ".join(filter(None, words))


def pci_vendor(functions: Sequence[Resource]) -> str | None:
    """Who made it, by the numbers of its functions."""
    vendors = (_PCI_VENDORS.get(_hex(function.value("VendorId"))) for function in functions)
    return next(filter(None, vendors), None)


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
