"""A personality's documents with what is true for one machine laid over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from vmlab.simulator.machine import Machine
from vmlab.simulator.personality import Personality, own_mac, own_serial, own_uuid

Document = dict[str, Any]
Own = Callable[[str, Machine], str]
# What no two machines share.
_OWN: dict[str, Own] = {
    "SerialNumber": own_serial,
    "UUID": own_uuid,
    "ServiceEntryPointUUID": own_uuid,
    "MACAddress": own_mac,
    "PermanentMACAddress": own_mac,
}
_LIVE = ("#ComputerSystem.", "#Chassis.", "#Thermal.", "#Power.")
# What hangs on the host's power has no reading without it: fans, and 12V (not batteries and standby).
_HOST_POWERED = (("Fans", "Reading", ""), ("Fans", "ReadingRPM", ""), ("Voltages", "ReadingVolts", "12V"))


def dumps(document: Document) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


class Documents:
    """`render` gives the bytes of a document; None: there is none at this path."""

    def __init__(self, personality: Personality) -> None:
        self._plain = {path: dumps(document) for path, document in personality.redfish.items()}
        self._own = {path: list(_own_parts(document)) for path, document in personality.redfish.items()}
        #: What the recorded BMC answered instead of a document.
        self.statuses = {path.rstrip("/"): status for path, status in personality.statuses.items()}
        self._live = {path for path, document in personality.redfish.items() if _is_live(document)}
        #: Where settings wait for the next boot → whose they are (@Redfish.Settings, DSP0266).
        self.settings = dict(_settings(personality))

    def __contains__(self, path: str) -> bool:
        return path in self._plain

    def kind(self, path: str) -> str:
        return str(json.loads(self._plain[path]).get("@odata.type", "")) if path in self._plain else ""

    def render(self, path: str, machine: Machine, now: float) -> bytes | None:
        plain = self._plain.get(path)
        if plain is None:
            return None
        if path in self._live or self._own[path] or path in machine.overlays or path in self.settings:
            return dumps(self._render(path, plain, machine, now))
        return plain

    def document(self, path: str, machine: Machine, now: float) -> Document:
        """For those that change something in it. Raises KeyError."""
        return self._render(path, self._plain[path], machine, now)

    def _render(self, path: str, plain: bytes, machine: Machine, now: float) -> Document:
        document: Document = json.loads(plain)
        for keys, own in self._own[path]:
            part = document
            for key in keys[:-1]:
                part = part[key]
            part[keys[-1]] = own(part[keys[-1]], machine)
        if path in machine.overlays:
            merge(document, machine.overlays[path])
        if path in self.settings:
            document.setdefault("Attributes", {}).update(machine.pending.get(self.settings[path], {}))
        if path in self._live:
            _live(document, machine, now)
        return document


def merge(document: Document, changes: Document) -> None:
    """As PATCH has it: objects are merged, everything else is replaced."""
    for key, value in changes.items():
        old = document.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            merge(old, value)
        else:
            document[key] = value


def _live(document: Document, machine: Machine, now: float) -> None:
    if "PowerState" in document:
        document["PowerState"] = "On" if machine.told_on(now) else "Off"
    if "IndicatorLED" in document:
        document["IndicatorLED"] = "Lit" if machine.led else "Off"
    if "LocationIndicatorActive" in document:
        document["LocationIndicatorActive"] = machine.led
    if "Boot" in document:
        document["Boot"].update(machine.boot)
    if not machine.is_on(now):
        _without_host_power(document)


def _without_host_power(document: Document) -> None:
    for section, reading, named in _HOST_POWERED:
        for entry in document.get(section) or ():
            if entry.get(reading) and named in str(entry.get("Name")):
                entry[reading], entry["Status"] = None, {"State": "UnavailableOffline"}


def _is_live(document: Document) -> bool:
    return str(document.get("@odata.type")).startswith(_LIVE)


def _own_parts(part: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Own]]:
    inside = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in inside:
        if isinstance(value, str) and key in _OWN:
            yield (*keys, key), _OWN[key]
        else:
            yield from _own_parts(value, (*keys, key))


def _settings(personality: Personality) -> Iterator[tuple[str, str]]:
    for path, document in personality.redfish.items():
        where = (document.get("@Redfish.Settings") or {}).get("SettingsObject") or {}
        if "@odata.id" in where:
            yield where["@odata.id"].rstrip("/"), path
