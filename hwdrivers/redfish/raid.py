"""Hardware RAID: the volumes of a system's storage controllers (DSP0268 Storage, Volume)."""

from __future__ import annotations

from collections.abc import Iterator

from sushy import exceptions as seen

from hwdrivers.errors import InvalidParameterValue, Unsupported
from hwdrivers.interfaces import Ability, RAIDController, RAIDDisk, RAIDVolume, Task
from hwdrivers.redfish import tasks
from hwdrivers.redfish.documents import Document, dicts, inside, link, links, section, texts, whole
from hwdrivers.redfish.system import System
from hwdrivers.told import told

# Ironic's level: Volume.RAIDType, the older Volume.VolumeType, and the fewest disks that it needs.
LEVELS = {
    "0": ("RAID0", "NonRedundant", 1),
    "1": ("RAID1", "Mirrored", 2),
    "5": ("RAID5", "StripedWithParity", 3),
    "6": ("RAID6", "StripedWithParity", 4),
    "1+0": ("RAID10", "SpannedMirrors", 4),
    "5+0": ("RAID50", "SpannedStripesWithParity", 6),
    "6+0": ("RAID60", "SpannedStripesWithParity", 8),
    "JBOD": ("None", "RawDevice", 1),
}
_BY_TYPE = {new: level for level, (new, _, _) in LEVELS.items()}
# Two levels share an old word: the commoner one is meant.
_BY_OLD_TYPE = {old: level for level, (_, old, _) in reversed(LEVELS.items())}


class RedfishRAID:
    def __init__(self, system: System) -> None:
        self._system = system

    def controllers(self) -> tuple[RAIDController, ...]:
        with self._system.talking("list the RAID controllers"):
            return tuple(self._controller(document) for _, document in self._storages())

    def create(self, controller: str, volume: RAIDVolume) -> Task | None:
        with self._system.talking(f"make a volume on {controller}"):
            storage = self._storage(controller)
            paths = self._disk_paths(storage, volume)
            volumes = link(storage, "Volumes") or ""
            collection = self._system.get(volumes) or {}
            body = {**_payload(volume, paths), **_at_once(collection)}
            return tasks.started(self._post(volumes, body, volume, paths, old=self._is_old(storage)))

    def delete(self, controller: str, volume: str) -> Task | None:
        with self._system.talking(f"remove the volume {volume} of {controller}"):
            known = {v.id: path for path, v in self._volumes(self._storage(controller))}
            if volume not in known:
                raise self._no(f"volume {volume}", known)
            return tasks.started(self._system.delete(known[volume]))

    def ability(self) -> Ability:
        with self._system.talking("look for RAID controllers"):
            names = [self._model(document) or "controller" for _, document in self._storages()]
        return Ability(bool(names), ", ".join(names) or "it has no controller that makes volumes")

    def _storages(self) -> Iterator[tuple[str, Document]]:
        """Those that can make volumes."""
        storage = link(self._system.document(), "Storage")
        for path, document in self._system.documents.members(storage):
            if link(document, "Volumes") and links(document, "Drives") and _makes(self._hardware(document)):
                yield path, document

    def _hardware(self, storage: Document) -> Document:
        """The controller itself: an array before Storage 1.9, a collection since."""
        entry = next(iter(dicts(storage.get("StorageControllers"))), {})
        if entry.keys() - {"@odata.id"}:
            return entry
        members = self._system.documents.members(link(storage, "Controllers"))
        return self._system.get(link(entry)) or next((document for _, document in members), {})

    def _storage(self, controller: str) -> Document:
        known = {_identity(document, path): document for path, document in self._storages()}
        if controller not in known:
            raise self._no(f"RAID controller {controller}", known)
        return known[controller]

    def _controller(self, storage: Document) -> RAIDController:
        disks = [_disk(path, self._system.get(path) or {}) for path in links(storage, "Drives")]
        volumes = [volume for _, volume in self._volumes(storage)]
        return RAIDController(_identity(storage, ""), self._model(storage), tuple(disks), tuple(volumes))

    def _model(self, storage: Document) -> str | None:
        return told(self._hardware(storage).get("Model")) or told(storage.get("Name"))

    def _volumes(self, storage: Document) -> Iterator[tuple[str, RAIDVolume]]:
        for path, document in self._system.documents.members(link(storage, "Volumes")):
            yield path, _volume(path, document)

    def _disk_paths(self, storage: Document, volume: RAIDVolume) -> list[str]:
        """Checked before anything is sent: what is made destroys what the disks hold."""
        action = f"make a RAID {volume.level} volume"
        if volume.level not in LEVELS:
            words = ("there is no such level", f"use one of {', '.join(LEVELS)}")
            raise Unsupported.at(self._system.address, action, *words)
        types = texts(inside(self._hardware(storage), "SupportedRAIDTypes"))
        if types and LEVELS[volume.level][0] not in types:
            levels = ", ".join(level for kind, level in _BY_TYPE.items() if kind in types)
            raise Unsupported.at(self._system.address, action, f"it makes {levels}", "use one of these")
        known = {_disk(path, self._system.get(path) or {}).id: path for path in links(storage, "Drives")}
        if missing := [disk for disk in volume.disks if disk not in known]:
            raise self._no(f"disk {', '.join(missing)}", known)
        if len(set(volume.disks)) < LEVELS[volume.level][2]:
            words = (f"it needs {LEVELS[volume.level][2]} disks", "name more disks")
            raise InvalidParameterValue.at(self._system.address, action, *words)
        return [known[disk] for disk in volume.disks]

    def _is_old(self, storage: Document) -> bool:
        """Whether volumes here are of the time before RAIDType (Volume 1.3.1)."""
        if texts(inside(self._hardware(storage), "SupportedRAIDTypes")):
            return False
        members = self._system.documents.members(link(storage, "Volumes"))
        return any("VolumeType" in doc and "RAIDType" not in doc for _, doc in members)

    def _post(self, path: str, body: Document, volume: RAIDVolume, disks: list[str], *, old: bool) -> object:
        new_type, old_type, _ = LEVELS[volume.level or "0"]
        new_words = {"RAIDType": new_type, "Links": {"Drives": [{"@odata.id": disk} for disk in disks]}}
        old_words = {"VolumeType": old_type, "Drives": [{"@odata.id": disk} for disk in disks]}
        if old and volume.level in ("6", "6+0"):  # no old word for these
            old_words |= {"RAIDType": new_type}
        try:
            return self._system.post(path, {**body, **(old_words if old else new_words)})
        except seen.BadRequestError as error:
            # Nothing was made; between the two schemas firmware takes either (ironic's redfish RAID).
            if not any(
                word in str(error.extended_info) for word in ("RAIDType", "VolumeType", "Links", "Drives")
            ):
                raise
            return self._system.post(path, {**body, **(new_words if old else old_words)})

    def _no(self, what: str, known: object) -> Unsupported:
        names = ", ".join(sorted(str(name) for name in known)) if isinstance(known, dict) else ""
        advice = f"use one of {names}" if names else "there is none"
        return Unsupported.at(self._system.address, "change its RAID", f"there is no {what}", advice)


def _payload(volume: RAIDVolume, paths: list[str]) -> Document:
    body: Document = {"Name": volume.name} if volume.name else {}
    return body if volume.size_bytes is None else {**body, "CapacityBytes": volume.size_bytes}


def _at_once(collection: Document) -> Document:
    """Now rather than at the next boot, where the service lets us choose."""
    times = texts(inside(collection, "@Redfish.OperationApplyTimeSupport", "SupportedValues"))
    when = next((time for time in ("Immediate", "OnReset") if time in times), None)
    return {"@Redfish.OperationApplyTime": when} if when else {}


def _identity(storage: Document, path: str) -> str:
    return told(storage.get("Id")) or (path or str(storage.get("@odata.id"))).rpartition("/")[2]


def _makes(hardware: Document) -> bool:
    """AHCI without RAID tells no types; NVMe drives on the processor's own lanes tell nothing but NVMe."""
    types = hardware.get("SupportedRAIDTypes")
    protocols = texts(hardware.get("SupportedDeviceProtocols"))
    bare = bool(protocols) and all("NVMe" in name or name == "PCIe" for name in protocols)
    return types != [] and (bool(texts(types)) or not bare)


def _disk(path: str, drive: Document) -> RAIDDisk:
    return RAIDDisk(
        id=told(drive.get("Id")) or path.rpartition("/")[2],
        size_bytes=whole(drive.get("CapacityBytes")),
        serial=told(drive.get("SerialNumber")),
        model=told(drive.get("Model")),
        kind=told(drive.get("MediaType")),
    )


def _volume(path: str, document: Document) -> RAIDVolume:
    kind, old = document.get("RAIDType"), document.get("VolumeType")
    level = _BY_TYPE.get(kind) if isinstance(kind, str) else None
    if level is None and isinstance(old, str):
        level = _BY_OLD_TYPE.get(old)
    disks = links(section(document, "Links"), "Drives")
    identity = told(document.get("Id")) or path.rpartition("/")[2]
    return RAIDVolume(
        name=told(document.get("Name")) or identity,
        level=level,
        size_bytes=whole(document.get("CapacityBytes")),
        disks=tuple(disk.rpartition("/")[2] for disk in disks),
        id=identity,
    )
