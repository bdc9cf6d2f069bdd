"""Virtual media: the drives of a system, or of its managers where the service is older (DSP0268)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sushy.resources.manager.virtual_media import VirtualMedia

from hwdrivers.errors import Unsupported
from hwdrivers.interfaces import Ability, MediaSlot
from hwdrivers.redfish.documents import Document, inside, link, texts
from hwdrivers.redfish.quirks import Quirk
from hwdrivers.redfish.system import System
from hwdrivers.told import told

_INSERT, _EJECT = "#VirtualMedia.InsertMedia", "#VirtualMedia.EjectMedia"


@dataclass(frozen=True)
class _Drive:
    path: str
    document: Document

    @property
    def slot(self) -> MediaSlot:
        inserted = self.document.get("Inserted")
        return MediaSlot(
            id=told(self.document.get("Id")) or self.path.rpartition("/")[2],
            kinds=texts(self.document.get("MediaTypes")),
            image=None if inserted is False else told(self.document.get("Image")),
        )


class RedfishMedia:
    def __init__(self, system: System) -> None:
        self._system = system

    def holds_image(self) -> bool:
        """Whether anything is inserted; within `talking`."""
        return any(drive.slot.image is not None for drive in self._drives())

    def slots(self) -> tuple[MediaSlot, ...]:
        with self._system.talking("list the virtual media"):
            return tuple(drive.slot for drive in self._present())

    def attach(self, image: str, kind: str = "CD") -> MediaSlot:
        with self._system.talking(f"attach virtual media as {kind}"):
            drive = self._taking(kind)
            if drive.slot.image is not None:
                self._eject(drive)
            self._insert(drive, image)
            return self._again(drive).slot

    def detach(self, kind: str | None = None) -> None:
        with self._system.talking("detach virtual media"):
            for drive in self._present():
                if drive.slot.image is not None and (kind is None or _takes(drive.slot, kind)):
                    self._eject(drive)

    def ability(self) -> Ability:
        with self._system.talking("look for virtual media"):
            kinds = dict.fromkeys(kind for drive in self._drives() for kind in drive.slot.kinds or ("?",))
        return Ability(bool(kinds), ", ".join(kinds) or "it has no drive without its maker's extensions")

    def _drives(self) -> Iterator[_Drive]:
        skip = self._system.quirks.get(Quirk.SKIP_SLOTS)
        for drive in self._all():
            if not (skip and re.match(skip, drive.slot.id)):
                yield drive

    def _all(self) -> Iterator[_Drive]:
        own = link(self._system.document(), "VirtualMedia")
        found = [_Drive(*member) for member in self._system.documents.members(own)]
        if found:
            yield from found
            return
        for _, manager in self._system.managers():
            for member in self._system.documents.members(link(manager, "VirtualMedia")):
                yield _Drive(*member)

    def _present(self) -> list[_Drive]:
        drives = list(self._drives())
        if not drives:
            raise self._system.lacks("virtual media")
        return drives

    def _taking(self, kind: str) -> _Drive:
        drives = self._present()
        for drive in drives:
            if _takes(drive.slot, kind):
                return drive
        kinds = ", ".join(sorted({k for drive in drives for k in drive.slot.kinds})) or "none that it tells"
        seen = f"its drives take {kinds}"
        raise Unsupported.at(
            self._system.address, f"attach virtual media as {kind}", seen, "use one of these"
        )

    def _again(self, drive: _Drive) -> _Drive:
        return _Drive(drive.path, self._system.get(drive.path) or drive.document)

    def _insert(self, drive: _Drive, image: str) -> None:
        if inside(drive.document, "Actions", _INSERT):
            self._sushys(drive).insert_media(image)  # it knows who wants a protocol, a method, or a user
        else:
            self._system.patch(drive.path, {"Image": image, "Inserted": True, "WriteProtected": True})

    def _eject(self, drive: _Drive) -> None:
        if inside(drive.document, "Actions", _EJECT):
            self._sushys(drive).eject_media()
        else:
            self._system.patch(drive.path, {"Image": None, "Inserted": False})

    def _sushys(self, drive: _Drive) -> VirtualMedia:
        names = ("Actions", "Image", "Inserted")
        document: Document = {name: drive.document[name] for name in names if name in drive.document}
        document |= {"Id": drive.slot.id, "Name": drive.slot.id}
        return VirtualMedia(self._system.service.connector, drive.path, json_doc=document)


def _takes(slot: MediaSlot, kind: str) -> bool:
    """A drive that takes a DVD takes a CD as well."""
    kinds = {name.lower() for name in slot.kinds}
    return kind.lower() in kinds or (kind.lower() == "cd" and "dvd" in kinds)
