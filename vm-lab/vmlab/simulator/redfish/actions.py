"""POST: actions of systems, BMCs, virtual media, logs, BIOS and updates."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from vmlab.simulator.redfish import tasks
from vmlab.simulator.redfish.answer import Answer, error, not_found
from vmlab.simulator.redfish.asked import Asked
from vmlab.simulator.redfish.documents import merge

# ResetType (DSP0268) → what happens to the power.
_RESETS = {
    "On": "on",
    "ForceOn": "on",
    "ForceOff": "off",
    "GracefulShutdown": "soft",
    "ForceRestart": "reset",
    "GracefulRestart": "reset",
    "PowerCycle": "cycle",
    "Nmi": None,
    "PushPowerButton": None,
}
_FIRMWARE = "/redfish/v1/UpdateService/FirmwareInventory"


def post(asked: Asked, told: dict[str, Any]) -> Answer:
    owner, _, action = asked.path.partition("/Actions/")
    act = _ACTIONS.get(action)
    if act is None or owner not in asked.documents:
        return not_found(asked.path)
    document = asked.documents.document(owner, asked.machine, asked.now)
    offered = (document.get("Actions") or {}).get(f"#{action}")
    if offered is None:
        return not_found(asked.path)
    return act(asked, owner, told, offered)


def _reset_system(asked: Asked, owner: str, told: dict[str, Any], offered: dict[str, Any]) -> Answer:
    kind = told.get("ResetType", "On")
    if (
        not isinstance(kind, str)
        or kind not in offered.get("ResetType@Redfish.AllowableValues", _RESETS)
        or kind not in _RESETS
    ):
        return error(400, "ActionParameterValueNotInList", f"ResetType cannot be {kind!r}.")
    on = asked.machine.is_on(asked.now)
    what = _RESETS[kind]
    if kind == "PushPowerButton":
        what = "soft" if on else "on"
    if kind == "Nmi":
        asked.machine.done.append("nmi")
    elif what == "on" and on:  # iDRAC answers so
        return error(409, "ActionNotSupported", "The server is already on.")
    elif what in ("reset", "cycle", "soft") and not on:
        return error(409, "ActionNotSupported", "The server is off.")
    elif what is not None:
        asked.machine.ask_power(what, asked.now)
    return Answer(204)


def _reset_bmc(asked: Asked, owner: str, told: dict[str, Any], offered: dict[str, Any]) -> Answer:
    asked.machine.done.append("bmc reset")
    asked.machine.reboot_bmc(asked.now + 10.0)
    return Answer(204)


def _insert(asked: Asked, owner: str, told: dict[str, Any], offered: dict[str, Any]) -> Answer:
    image = told.get("Image")
    if not isinstance(image, str) or "://" not in image:
        return error(400, "ActionParameterMissing", "Image must be a URI.")
    if asked.documents.document(owner, asked.machine, asked.now).get("Inserted"):
        return error(409, "ResourceInUse", "There is a medium in the drive.")  # iDRAC and iLO 5 say so
    inside = {"Image": image, "ImageName": image.rpartition("/")[2], "Inserted": True, "ConnectedVia": "URI"}
    merge(asked.machine.overlays.setdefault(owner, {}), inside)
    asked.machine.done.append(f"insert {image}")
    return Answer(204)


def _eject(asked: Asked, owner: str, told: dict[str, Any], offered: dict[str, Any]) -> Answer:
    empty = {"Image": None, "ImageName": None, "Inserted": False, "ConnectedVia": "NotConnected"}
    merge(asked.machine.overlays.setdefault(owner, {}), empty)
    asked.machine.done.append("eject")
    return Answer(204)


def _clear_log(asked: Asked, owner: str, told: dict[str, Any], offered: dict[str, Any]) -> Answer:
    entries = (
        asked.documents.document(owner, asked.machine, asked.now).get("Entries", {}).get("@odata.id", "")
    )
    empty = {"Members": [], "Members@odata.count": 0}
    merge(asked.machine.overlays.setdefault(entries.rstrip("/"), {}), empty)
    asked.machine.done.append("clear log")
    return Answer(204)


def _reset_bios(asked: Asked, owner: str, told: dict[str, Any], offered: dict[str, Any]) -> Answer:
    asked.machine.overlays.pop(owner, None)
    asked.machine.pending.pop(owner, None)
    asked.machine.done.append("bios reset")
    return Answer(204)


def _simple_update(asked: Asked, owner: str, told: dict[str, Any], offered: dict[str, Any]) -> Answer:
    image = told.get("ImageURI")
    if not isinstance(image, str):
        return error(400, "ActionParameterMissing", "ImageURI is missing.")
    name = image.rpartition("/")[2]
    version = re.search(r"\d+(\.\d+)+", name)
    targets = told.get("Targets") or []
    if not isinstance(targets, list):
        return error(400, "ActionParameterValueTypeError", "Targets must be an array.")
    paths = [str(path).rstrip("/") for path in targets] or _meant_by(asked, name)
    if any(path not in asked.documents for path in paths):
        return error(400, "ActionParameterValueError", "Targets names what is not there.")

    def finish() -> None:
        for path in paths:
            new = {"Version": version[0] if version else name}
            merge(asked.machine.overlays.setdefault(path, {}), new)
        asked.machine.done.append(f"updated {', '.join(path.rpartition('/')[2] for path in paths)}")

    asked.machine.done.append(f"update {image}")
    return tasks.start(asked.machine, f"Update from {name}", finish)


def _meant_by(asked: Asked, name: str) -> list[str]:
    """The firmware whose id the image's name begins with ("bios-1.3.0.bin")."""
    members = asked.documents.document(_FIRMWARE, asked.machine, asked.now)["Members"]
    paths = [str(member["@odata.id"]) for member in members]
    return [path for path in paths if name.lower().startswith(path.rpartition("/")[2].lower())][:1]


_ACTIONS: dict[str, Callable[[Asked, str, dict[str, Any], dict[str, Any]], Answer]] = {
    "ComputerSystem.Reset": _reset_system,
    "Manager.Reset": _reset_bmc,
    "VirtualMedia.InsertMedia": _insert,
    "VirtualMedia.EjectMedia": _eject,
    "LogService.ClearLog": _clear_log,
    "Bios.ResetBios": _reset_bios,
    "UpdateService.SimpleUpdate": _simple_update,
}
