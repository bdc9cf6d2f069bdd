"""One drive, as Storage, a chassis or SimpleStorage tells it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from hwdrivers.inventory import Disk
from hwdrivers.redfish.inventory.found import Found, keys_of, own, serial_keys
from hwdrivers.redfish.inventory.resource import Resource
from hwdrivers.redfish.inventory.values import drive_bytes, wwn

# AMI's BMCs list their own virtual drives among the disks of the machine, iDRAC 7 and 8 the backplanes.
_NO_DISK = re.compile(r"virtual (cd|dvd|hdisk|floppy|media|usb)|backplane", re.I)


def read_drive(name: str, item: Resource, subsystem: Resource | None, protocols: set[str]) -> Found[Disk]:
    """`protocols`: those that the controllers in front of it speak."""
    disk = _disk(name, item, subsystem.id if subsystem is not None else None)
    if disk.protocol is None and len(protocols) == 1:
        disk = replace(disk, protocol=next(iter(protocols)))  # Supermicro X13 tells it of the controller only
    if disk.rotational is None and disk.protocol == "NVMe":
        disk = replace(disk, rotational=False)
    return Found(disk, _disk_keys(item), own(item))


def is_there(item: Resource) -> bool:
    """An empty bay is Absent, or tells nothing at all (iLO 5: UnavailableOffline)."""
    kind = item.value("@odata.type")  # iDRAC 9 lists a backplane among the drives of the chassis
    if isinstance(kind, str) and kind.startswith("#Chassis."):
        return False
    if any(_NO_DISK.search(item.text(name) or "") for name in ("Model", "Name")):
        return False
    told = item.number("CapacityBytes") or item.first("SerialNumber", "Model")
    return item.present and bool(told or item.value("Status", "State") == "Enabled")


def _disk(name: str, item: Resource, controller: str | None) -> Disk:
    return Disk(
        name=name,
        size_bytes=drive_bytes(item.value("CapacityBytes")),
        serial=item.text("SerialNumber"),
        wwn=_wwn(item),
        model=item.text("Model"),
        vendor=_vendor(item),
        rotational=_rotational(item),
        protocol=_protocol(item),
        part_number=item.text("PartNumber"),
        firmware=item.first("FirmwareVersion", "Revision"),
        controller=controller,
        health=item.health,
    )


def _vendor(item: Resource) -> str | None:
    """SATA drives behind a SAS controller tell "ATA" (SAT-3), which is nobody."""
    told = item.text("Manufacturer")
    return None if told == "ATA" else told


def _disk_keys(item: Resource) -> frozenset[str]:
    links = [item.paths("Links", name) for name in ("PCIeFunctions", "PCIeDevice", "PCIeDevices")]
    name = _wwn(item)
    return keys_of(item, *links) | ({name} if name else set())


def _wwn(item: Resource) -> str | None:
    identifiers = item.links("Identifiers")
    names = [wwn(i.value("DurableNameFormat"), i.value("DurableName")) for i in identifiers]
    return next(filter(None, names), None)


def _rotational(item: Resource) -> bool | None:
    kinds = {"HDD": True, "SMR": True, "SSD": False}
    kind = item.value("MediaType")
    if isinstance(kind, str) and kind in kinds:
        return kinds[kind]
    if item.number("RotationSpeedRPM"):
        return True
    return False if item.value("RotationSpeedRPM") == 0 else None


def _protocol(item: Resource) -> str | None:
    # iDRAC 8 and 9 call the protocol of NVMe drives PCIe.
    told = item.text("Protocol")
    return "NVMe" if told in ("PCIe", "NVMe") else told


def read_simple_storage(system: Resource, known: Sequence[Found[Disk]]) -> list[Found[Disk]]:
    """Devices of SimpleStorage that are no drive of Storage: it tells the same ones with less detail.

    Without a size it is no disk where there are others: iDRAC 9 lists the backplane, Supermicro its bays.
    """
    left = [disk.part for disk in known]
    news = []
    for item in [d for simple in system.members("SimpleStorage") for d in simple.links("Devices")]:
        disk = _disk(item.text("Name") or item.id, item, None)
        same = next((other for other in left if _is_same(other, disk)), None)
        if same is not None:
            left.remove(same)
        elif is_there(item) and (disk.size_bytes or not known):
            news.append(Found(_by_name(disk), serial_keys(item)))
    return news


def _by_name(disk: Disk) -> Disk:
    """SimpleStorage has neither protocol nor medium; names tell: "NVMe_Device0", "Solid State Disk 0:1:1"."""
    name = disk.name.lower()
    protocol = disk.protocol or ("NVMe" if "nvme" in name or "pcie ssd" in name else None)
    solid = protocol == "NVMe" or "solid state" in name
    return replace(disk, protocol=protocol, rotational=False if solid else disk.rotational)


def _is_same(disk: Disk, device: Disk) -> bool:
    if device.serial and disk.serial:
        return device.serial == disk.serial
    if device.name == disk.name:
        return True
    return (device.model, device.size_bytes) == (disk.model, disk.size_bytes)
