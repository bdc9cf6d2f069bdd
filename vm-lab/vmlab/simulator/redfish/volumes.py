"""Volumes of storage controllers that a machine's operator made or removed (DSP0268 Volume)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmlab.simulator.redfish.answer import Answer, error, not_found
from vmlab.simulator.redfish.asked import Asked
from vmlab.simulator.redfish.documents import Document, dumps, merge

# RAIDType: the fewest disks, and how many disks' worth of data n of them hold.
_TYPES: dict[str, tuple[int, Callable[[int], int]]] = {
    "None": (1, lambda n: 1),
    "RAID0": (1, lambda n: n),
    "RAID1": (2, lambda n: 1),
    "RAID5": (3, lambda n: n - 1),
    "RAID6": (4, lambda n: n - 2),
    "RAID10": (4, lambda n: n // 2),
}


def get(asked: Asked) -> Answer | None:
    """None: nobody made or removed a volume here."""
    if asked.path not in asked.machine.volumes:
        return None
    volume = asked.machine.volumes[asked.path]
    return Answer(200, dumps(volume)) if volume else not_found(asked.path)


def is_collection(asked: Asked) -> bool:
    return asked.documents.kind(asked.path).startswith("#VolumeCollection.")


def create(asked: Asked, told: dict[str, Any]) -> Answer:
    storage = asked.path.rpartition("/")[0]
    if storage not in asked.documents:
        return not_found(storage)
    there = _paths(asked.documents.document(storage, asked.machine, asked.now).get("Drives"))
    links = told.get("Links")
    drives = _paths(links.get("Drives") if isinstance(links, dict) else None)
    fewest, holds = _TYPES.get(str(told.get("RAIDType")), (0, int))
    if not fewest:
        return error(400, "PropertyValueNotInList", f"RAIDType must be one of {', '.join(_TYPES)}.")
    if len(set(drives)) < fewest or not set(drives) <= set(there):
        return error(400, "PropertyValueError", f"Links.Drives must name {fewest} drives of this storage.")
    if taken := set(drives) & {drive for volume in _volumes(asked) for drive in _drives(volume)}:
        return error(409, "ResourceInUse", f"{', '.join(sorted(taken))} is in another volume.")
    room = holds(len(drives)) * min(_capacity(asked, drive) for drive in drives)
    size = told.get("CapacityBytes", room)
    if not isinstance(size, int) or not 0 < size <= room:
        return error(400, "PropertyValueOutOfRange", f"CapacityBytes must be between 1 and {room}.")
    return _made(asked, {**told, "CapacityBytes": size})


def delete(asked: Asked) -> Answer:
    collection = Asked(asked.machine, asked.path.rpartition("/")[0], asked.now, asked.documents)
    if not is_collection(collection):
        return error(405, "OperationNotAllowed", "DELETE is not allowed here.")
    members = _members(collection)
    if asked.path not in members:
        return not_found(asked.path)
    members.remove(asked.path)
    _tell(collection, members)
    asked.machine.volumes[asked.path] = None
    asked.machine.done.append(f"delete volume {asked.path.rpartition('/')[2]}")
    return Answer(204)


def _made(asked: Asked, told: dict[str, Any]) -> Answer:
    members = _members(asked)
    number = next(n for n in range(1, len(members) + 2) if f"{asked.path}/{n}" not in members)
    path = f"{asked.path}/{number}"
    volume = {
        "@odata.id": path,
        "@odata.type": "#Volume.v1_10_0.Volume",
        "Id": str(number),
        "Name": str(told.get("Name") or f"Volume {number}"),
        "RAIDType": told["RAIDType"],
        "CapacityBytes": told["CapacityBytes"],
        "Links": {"Drives": told["Links"]["Drives"]},
        "Status": {"State": "Enabled", "Health": "OK"},
    }
    asked.machine.volumes[path] = volume
    _tell(asked, [*members, path])
    asked.machine.done.append(f"create volume {number} ({volume['RAIDType']})")
    return Answer(201, dumps(volume), {"Location": path})


def _members(asked: Asked) -> list[str]:
    return _paths(asked.documents.document(asked.path, asked.machine, asked.now).get("Members"))


def _tell(asked: Asked, members: list[str]) -> None:
    told = {"Members": [{"@odata.id": path} for path in members], "Members@odata.count": len(members)}
    merge(asked.machine.overlays.setdefault(asked.path, {}), told)


def _volumes(asked: Asked) -> list[Document]:
    """Made or recorded, as they are now."""
    made, members = asked.machine.volumes, _members(asked)
    recorded = [path for path in members if path not in made and path in asked.documents]
    told = [asked.documents.document(path, asked.machine, asked.now) for path in recorded]
    return [*(volume for path in members if (volume := made.get(path))), *told]


def _drives(volume: Document) -> list[str]:
    return _paths((volume.get("Links") or {}).get("Drives") or volume.get("Drives"))


def _capacity(asked: Asked, drive: str) -> int:
    if drive not in asked.documents:
        return 0
    return int(asked.documents.document(drive, asked.machine, asked.now).get("CapacityBytes") or 0)


def _paths(links: object) -> list[str]:
    entries = links if isinstance(links, list) else []
    return [str(entry.get("@odata.id")).rstrip("/") for entry in entries if isinstance(entry, dict)]
