"""PATCH: what is there may be changed; boot, LED, BIOS settings and passwords mean something besides."""

from __future__ import annotations

from typing import Any

from vmlab.simulator.redfish import accounts
from vmlab.simulator.redfish.answer import Answer, error, not_found
from vmlab.simulator.redfish.asked import Asked
from vmlab.simulator.redfish.documents import Document, dumps, merge

_READ_ONLY = ("Id", "UUID", "SerialNumber", "PowerState", "Status", "Members", "Links", "Actions")


def patch(asked: Asked, told: dict[str, Any]) -> Answer:
    if asked.path.startswith(f"{accounts.PATH}/"):
        return accounts.patch(asked, told)
    if asked.path not in asked.documents:
        return not_found(asked.path)
    document = asked.documents.document(asked.path, asked.machine, asked.now)
    if asked.path in asked.documents.settings:
        return _settings(asked, told)
    for name, value in told.items():
        refused = _refusal(document, name, value)
        if refused is not None:
            return refused
    _apply(asked, document, told)
    return Answer(200, dumps(asked.documents.document(asked.path, asked.machine, asked.now)))


def _refusal(document: Document, name: str, value: object) -> Answer | None:
    if name not in document:
        return error(400, "PropertyUnknown", f"The property {name} is not known here.")
    if name in _READ_ONLY or name.startswith("@"):
        return error(400, "PropertyNotWritable", f"The property {name} cannot be written.")
    if name == "Boot" and isinstance(value, dict):
        for key, wanted in value.items():
            allowed = document["Boot"].get(f"{key}@Redfish.AllowableValues")
            if allowed is not None and wanted not in allowed:
                return error(400, "PropertyValueNotInList", f"{key} cannot be {wanted!r}.")
    return None


def _apply(asked: Asked, document: Document, told: dict[str, Any]) -> None:
    machine, rest = asked.machine, dict(told)
    if isinstance(boot := rest.pop("Boot", None), dict):
        machine.boot = {**machine.boot, **boot}
        machine.done.append(f"boot {machine.boot.get('BootSourceOverrideTarget', '')}".strip())
    lit = rest.pop("IndicatorLED", rest.pop("LocationIndicatorActive", None))
    if lit is not None:
        machine.led = lit not in ("Off", False)
        machine.done.append(f"led {'on' if machine.led else 'off'}")
    if rest:
        merge(machine.overlays.setdefault(asked.path, {}), rest)
        machine.done.append(f"set {', '.join(sorted(rest))}")


def _settings(asked: Asked, told: dict[str, Any]) -> Answer:
    """They wait for the next boot (@Redfish.Settings)."""
    owner = asked.documents.settings[asked.path]
    known = asked.documents.document(owner, asked.machine, asked.now).get("Attributes", {})
    wanted = told.get("Attributes", {})
    if not isinstance(wanted, dict):
        return error(400, "PropertyValueTypeError", "Attributes must be an object.")
    unknown = [name for name in wanted if name not in known]
    if unknown:
        return error(400, "PropertyUnknown", f"There is no attribute {', '.join(unknown)}.")
    asked.machine.pending.setdefault(owner, {}).update(wanted)
    asked.machine.done.append(f"bios {', '.join(sorted(wanted))}")
    return Answer(200, dumps(asked.documents.document(asked.path, asked.machine, asked.now)))
