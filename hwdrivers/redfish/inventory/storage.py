"""Drives, storage controllers and volumes, wherever a service tells them: each drive once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hwdrivers.inventory import Controller, Disk, Volume
from hwdrivers.redfish.inventory.found import Found, keys_of, merged, own, serial_keys
from hwdrivers.redfish.inventory.resource import Resource, labelled
from hwdrivers.redfish.inventory.smart_storage import read_smart_storage
from hwdrivers.redfish.inventory.values import drive_bytes, wwn

# RAIDType; VolumeType is what services before Volume 1.3.1 have.
_LEVELS = {
    **{"RAID0": "0", "RAID1": "1", "RAID5": "5", "RAID6": "6", "RAID10": "1+0", "RAID50": "5+0"},
    **{"RAID60": "6+0", "RAID01": "0+1", "None": "JBOD", "RawDevice": "JBOD", "NonRedundant": "0"},
    **{"Mirrored": "1", "StripedWithParity": "5", "SpannedMirrors": "1+0", "SpannedStripesWithParity": "5+0"},
}

# AMI's BMCs list their own virtual drives among the disks of the machine, iDRAC 7 and 8 the backplanes.
_NO_DISK = re.compile(r"virtual (cd|dvd|hdisk|floppy|media|usb)|backplane", re.I)


@dataclass(frozen=True)
class Storage:
    """`controllers` and `disks` with what tells that a PCIe device is one of them."""

    controllers: Sequence[Found[Controller]]
    disks: Sequence[Found[Disk]]
    volumes: Sequence[Volume]


def read_storage(system: Resource, chassis: Iterable[Resource]) -> Storage:
    """From Storage, the drives of the chassis, HPE's Smart Storage and SimpleStorage."""
    chassis = list(chassis)
    subsystems = _subsystems(system, chassis)
    bays = [item for place in chassis for item in (*place.links("Links", "Drives"), *place.members("Drives"))]
    drives = {item.path: item for item in (*(d for s in subsystems for d in s.links("Drives")), *bays)}
    names = {item.path: name for name, item in labelled(list(drives.values()))}
    behind = {path: subsystem for subsystem in subsystems for path in subsystem.paths("Drives")}
    smart = read_smart_storage(system)
    told = [_drive(names[path], item, behind.get(path)) for path, item in drives.items() if _is_there(item)]
    known = merged([*told, *smart.disks])
    controllers = merged([c for s in subsystems for c in _controllers(s)] + list(smart.controllers))
    return Storage(
        # An NVMe drive is its own controller, and told as both by iLO 5.
        controllers=[c for c in controllers if not any(c.keys & disk.keys for disk in known)],
        disks=[*known, *_unlisted(system, known)],
        volumes=[v for s in subsystems for v in _volumes(s, names)] or smart.volumes,
    )


def _subsystems(system: Resource, chassis: Iterable[Resource]) -> list[Resource]:
    linked = [item for place in chassis for item in place.links("Links", "Storage")]
    found = {item.path: item for item in (*system.members("Storage"), *linked)}
    return [item for item in found.values() if item.present]


def _drive(name: str, item: Resource, subsystem: Resource | None) -> Found[Disk]:
    disk = _disk(name, item, subsystem.id if subsystem is not None else None)
    if disk.protocol is None and subsystem is not None:
        # Supermicro X13 tells the protocol of the controller only.
        spoken = {p for c in _controllers(subsystem) for p in c.part.protocols}
        disk = replace(disk, protocol=spoken.pop() if len(spoken) == 1 else None)
    if disk.rotational is None and disk.protocol == "NVMe":
        disk = replace(disk, rotational=False)
    return Found(disk, _disk_keys(item), own(item))


def _is_there(item: Resource) -> bool:
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


def _controllers(subsystem: Resource) -> Iterator[Found[Controller]]:
    """Storage 1.9 has a collection of them, older ones an array."""
    items = subsystem.members("Controllers") or subsystem.links("StorageControllers")
    for item in [item for item in items if item.present]:
        several = len(items) > 1
        name = f"{subsystem.id} {item.id}" if several else subsystem.id
        yield Found(_controller(name, item), _parts(item), own(item))


def _controller(name: str, item: Resource) -> Controller:
    protocols = item.value("SupportedDeviceProtocols")
    return Controller(
        name=name,
        vendor=item.text("Manufacturer"),
        model=item.text("Model") or item.text("Name"),
        firmware=item.text("FirmwareVersion"),
        serial=item.text("SerialNumber"),
        protocols=tuple(p for p in protocols if isinstance(p, str)) if isinstance(protocols, list) else (),
        health=item.health,
    )


def _parts(item: Resource) -> frozenset[str]:
    links = ("PCIeFunctions", "PCIeDevice", "PCIeDevices")
    return keys_of(item, *(item.paths("Links", name) for name in links))


def _volumes(subsystem: Resource, drives: Mapping[str, str]) -> Iterator[Volume]:
    for name, item in labelled(subsystem.members("Volumes")):
        if item.present:
            paths = item.paths("Links", "Drives")
            yield _volume(name, item, subsystem.id, [drives.get(p, p.rpartition("/")[2]) for p in paths])


def _is_level(word: object) -> bool:
    return isinstance(word, str) and word in _LEVELS


def _volume(name: str, item: Resource, controller: str, disks: list[str]) -> Volume:
    level = next(
        (_LEVELS[w] for w in (item.value("RAIDType"), item.value("VolumeType")) if _is_level(w)), None
    )
    return Volume(
        name=name,
        level=None if level == "JBOD" and len(disks) > 1 else level,
        size_bytes=drive_bytes(item.value("CapacityBytes")),
        controller=controller,
        disks=tuple(disks),
        health=item.health,
    )


def _unlisted(system: Resource, known: Sequence[Found[Disk]]) -> list[Found[Disk]]:
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
        elif _is_there(item) and (disk.size_bytes or not known):
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
