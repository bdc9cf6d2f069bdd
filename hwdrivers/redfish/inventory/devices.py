"""PCIe devices and what else computes: accelerators, and the cards that are told nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hwdrivers.inventory import Device, Processor
from hwdrivers.redfish.inventory.found import Found, keys_of, own
from hwdrivers.redfish.inventory.kinds import (
    ACCELERATORS,
    CHIPSET,
    class_of,
    kind_of,
    kind_of_device,
    pci_vendor,
    speaking_name,
    text_of,
)
from hwdrivers.redfish.inventory.network import Adapter
from hwdrivers.redfish.inventory.resource import Resource, labelled
from hwdrivers.redfish.inventory.twins import Told


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
        Found(_described(name, kind_of(text_of(item), "GPU"), item), _keys(item), own(item))
        for name, item in labelled(gpus, "Location")
    ]


def is_accelerator(device: Device) -> bool:
    return device.kind in ACCELERATORS


def smart_nic(adapter: Adapter, dpus: Sequence[str]) -> bool:
    """A card that computes by itself: it says so, has processors, or is in the chassis of a DPU."""
    device = adapter.found.part
    words = " ".join(filter(None, (device.model, device.name, device.part_number)))
    inside = any(adapter.resource.path.startswith(chassis) for chassis in dpus)
    return inside or kind_of(words, None) == "SmartNIC" or bool(adapter.resource.members("Processors"))


def as_accelerator(found: Found[Device], kind: str = "Accelerator") -> Found[Processor]:
    """A device in the form of a processor."""
    part = found.part
    kind = part.kind if part.kind in ACCELERATORS else kind
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
    classes = {class_of(f) for f in functions} - {None}
    nameless = not item.first("SerialNumber", "Model", "PartNumber")
    told = classes or item.text("Manufacturer") or speaking_name(item)
    if nameless and (not told or (classes and classes <= CHIPSET)):
        return None
    return _described(name, kind_of_device(item, functions), item, pci_vendor(functions))


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
    if name == item.text("Manufacturer") or speaking_name(item) is None:
        name = None
    return name or model if model in (None, item.text("PartNumber")) else model
