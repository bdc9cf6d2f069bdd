"""HPE's own storage tree (Oem.Hpe.Links.SmartStorage): of iLO 4 always, of iLO 5 for Smart Arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hwdrivers.inventory import Controller, Disk, Volume
from hwdrivers.redfish.inventory.found import Found, keys_of, own
from hwdrivers.redfish.inventory.resource import Resource, labelled
from hwdrivers.redfish.inventory.values import MIB


@dataclass(frozen=True)
class SmartStorage:
    controllers: Sequence[Found[Controller]] = ()
    disks: Sequence[Found[Disk]] = ()
    volumes: Sequence[Volume] = field(default=())


def read_smart_storage(system: Resource) -> SmartStorage:
    """Nothing where the system is not HPE's."""
    controllers, disks, volumes = [], [], []
    for item in _array_controllers(system):
        name = item.text("Location") or item.id
        controllers.append(Found(_controller(name, item), keys_of(item), own(item)))
        disks += [Found(_disk(drive, name), keys_of(drive), own(drive)) for drive in _drives(item)]
        volumes += [_volume(label, v, name) for label, v in labelled(_logical(item), "LogicalDriveName")]
    return SmartStorage(controllers, disks, volumes)


def _array_controllers(system: Resource) -> list[Resource]:
    storage = [
        item
        for place in (("Oem", "Hpe", "Links"), ("Oem", "Hp", "links"), ("Oem", "Hp", "Links"))
        for item in system.links(*place, "SmartStorage")
    ]
    return [
        member
        for item in storage
        for kind in ("ArrayControllers", "HostBusAdapters")
        for member in _linked(item, kind)
        if member.present
    ]


def _drives(controller: Resource) -> list[Resource]:
    found = _linked(controller, "PhysicalDrives") or _linked(controller, "DiskDrives")
    return [item for item in found if item.present]


def _logical(controller: Resource) -> list[Resource]:
    return [item for item in _linked(controller, "LogicalDrives") if item.present]


def _linked(item: Resource, name: str) -> list[Resource]:
    return item.members("Links", name) or item.members("links", name)


def _controller(name: str, item: Resource) -> Controller:
    return Controller(
        name=name,
        vendor=item.text("Manufacturer"),
        model=item.text("Model"),
        firmware=item.text("FirmwareVersion", "Current", "VersionString"),
        serial=item.text("SerialNumber"),
        health=item.health,
    )


def _disk(item: Resource, controller: str) -> Disk:
    return Disk(
        name=item.text("Location") or item.id,
        size_bytes=_bytes(item),
        serial=item.text("SerialNumber"),
        model=item.text("Model"),
        rotational={"HDD": True, "SSD": False}.get(str(item.value("MediaType"))),
        protocol=item.text("InterfaceType"),
        firmware=item.text("FirmwareVersion", "Current", "VersionString"),
        controller=controller,
        health=item.health,
    )


def _bytes(item: Resource) -> int | None:
    """Blocks are exact; MiB are cut off."""
    blocks, block = item.positive("CapacityLogicalBlocks"), item.positive("BlockSizeBytes")
    mib = item.positive("CapacityMiB")
    return blocks * block if blocks and block else mib * MIB if mib else None


def _volume(name: str, item: Resource, controller: str) -> Volume:
    level = item.text("Raid") or item.text("RaidLevel")
    return Volume(
        name=name,
        level="1+0" if level == "10" else level,
        size_bytes=_bytes(item),
        controller=controller,
        disks=tuple(d.text("Location") or d.id for d in _linked(item, "DataDrives")),
        health=item.health,
    )
