"""Drives, storage controllers and volumes, wherever a service tells them: each drive once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hwdrivers.inventory import Controller, Disk, Volume
from hwdrivers.redfish.inventory.drives import is_there, read_drive, read_simple_storage
from hwdrivers.redfish.inventory.found import Found, keys_of, merged, own
from hwdrivers.redfish.inventory.resource import Resource, labelled
from hwdrivers.redfish.inventory.smart_storage import read_smart_storage
from hwdrivers.redfish.inventory.values import drive_bytes

# RAIDType; VolumeType is what services before Volume 1.3.1 have.
_LEVELS = {
    **{"RAID0": "0", "RAID1": "1", "RAID5": "5", "RAID6": "6", "RAID10": "1+0", "RAID50": "5+0"},
    **{"RAID60": "6+0", "RAID01": "0+1", "None": "JBOD", "RawDevice": "JBOD", "NonRedundant": "0"},
    **{"Mirrored": "1", "StripedWithParity": "5", "SpannedMirrors": "1+0", "SpannedStripesWithParity": "5+0"},
}


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
    told = [
        read_drive(names[path], item, behind.get(path), _spoken(behind.get(path)))
        for path, item in drives.items()
        if is_there(item)
    ]
    known = merged([*told, *smart.disks])
    controllers = merged([c for s in subsystems for c in _controllers(s)] + list(smart.controllers))
    return Storage(
        # An NVMe drive is its own controller, and told as both by iLO 5.
        controllers=[c for c in controllers if not any(c.keys & disk.keys for disk in known)],
        disks=[*known, *read_simple_storage(system, known)],
        volumes=[v for s in subsystems for v in _volumes(s, names)] or smart.volumes,
    )


def _subsystems(system: Resource, chassis: Iterable[Resource]) -> list[Resource]:
    linked = [item for place in chassis for item in place.links("Links", "Storage")]
    found = {item.path: item for item in (*system.members("Storage"), *linked)}
    return [item for item in found.values() if item.present]


def _spoken(subsystem: Resource | None) -> set[str]:
    return {p for c in _controllers(subsystem) for p in c.part.protocols} if subsystem is not None else set()


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
