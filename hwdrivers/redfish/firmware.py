"""Firmware: what is installed, and updates by SimpleUpdate (DSP0268 UpdateService)."""

from __future__ import annotations

from collections.abc import Sequence

from hwdrivers.errors import Unsupported
from hwdrivers.interfaces import Ability, Component, Task, TaskState
from hwdrivers.redfish import tasks
from hwdrivers.redfish.documents import Document, link
from hwdrivers.redfish.system import System
from hwdrivers.told import told

_UPDATE = "#UpdateService.SimpleUpdate"


class RedfishFirmware:
    def __init__(self, system: System) -> None:
        self._system = system

    def components(self) -> tuple[Component, ...]:
        with self._system.talking("list the firmware"):
            return tuple(_component(path, document) for path, document in self._members())

    def update(self, image: str, targets: Sequence[str] = ()) -> Task | None:
        with self._system.talking("update the firmware"):
            service = self._service()
            action = self._system.action(service, _UPDATE)
            if action is None:
                raise self._system.lacks("firmware update")
            body: Document = {"ImageURI": image}
            if protocol := self._protocol(service, image):
                body["TransferProtocol"] = protocol
            if targets:
                body["Targets"] = self._paths(targets)
            return tasks.started(self._system.post(action, body))

    def progress(self, monitor: str) -> TaskState:
        with self._system.talking("ask how far the task is"):
            return tasks.progress(self._system, monitor)

    def ability(self) -> Ability:
        with self._system.talking("look for its firmware"):
            service = self._service()
        can = "list, update" if self._system.action(service, _UPDATE) else "list"
        listed = link(service, "FirmwareInventory") is not None
        return Ability(listed or can != "list", can if listed else can.removeprefix("list, "))

    def _service(self) -> Document:
        service = self._system.get(link(self._system.service.root, "UpdateService"))
        if service is None:
            raise self._system.lacks("firmware update")
        return service

    def _members(self) -> list[tuple[str, Document]]:
        return list(self._system.documents.members(link(self._service(), "FirmwareInventory")))

    def _protocol(self, service: Document, image: str) -> str | None:
        """TransferProtocol, where the service has it as a parameter or names none (DSP0268: optional)."""
        protocol = image.partition("://")[0].upper()
        allowed = self._system.allowed(service, _UPDATE, "TransferProtocol")
        if allowed and protocol not in allowed:
            seen = f"it takes {', '.join(allowed)}, not {protocol}"
            raise Unsupported.at(self._system.address, "update the firmware", seen, "use one of these")
        return protocol

    def _paths(self, targets: Sequence[str]) -> list[str]:
        known = {_component(path, document).id: path for path, document in self._members()}
        unknown = [target for target in targets if target not in known]
        if unknown:
            seen = f"there is no component {', '.join(unknown)}"
            advice = f"use one of {', '.join(sorted(known))}"
            raise Unsupported.at(self._system.address, "update the firmware", seen, advice)
        return [known[target] for target in targets]


def _component(path: str, document: Document) -> Component:
    updateable = document.get("Updateable")
    identity = told(document.get("Id")) or path.rpartition("/")[2]
    return Component(
        id=identity,
        name=told(document.get("Name")) or identity,
        version=told(document.get("Version")),
        updateable=updateable if isinstance(updateable, bool) else None,
    )
