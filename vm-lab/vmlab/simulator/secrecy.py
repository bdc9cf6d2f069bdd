"""What must not leave with a recording: secrets always, what tells whose machine it is on demand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

REMOVED = "removed"
# By a property's name. "MinPasswordLength" and its like are numbers and stay.
_SECRET = re.compile(
    r"passw|passphrase|secret|token|communit|licen[sc]e.?(key|string|file)|(private|encryption|auth\w*|api|pre.?shared)"
    r".?key|\bpsk\b|credential|authorization|cookie|hash$|salt$",
    re.IGNORECASE,
)
_LOGIN_IN_URL = re.compile(r"(\w+://)[^/@\s]+@")
# What tells whose machine it is, by a property's name; Dell tells the serial number as SKU and ServiceTag.
_TELLING = {
    "serial": ("SerialNumber", "ServiceTag", "NodeId", "AssetTag", "SKU", "ChassisServiceTag", "IPMISerial"),
    "uuid": ("UUID", "ServiceEntryPointUUID", "SmbiosGUID"),
    "mac": ("MACAddress", "PermanentMACAddress", "AssociatedMACAddresses", "MAC"),
    "host": ("HostName", "FQDN", "DomainName"),
    "ip": ("Address", "Gateway", "IPv4Address", "IPv6Address", "IPv6DefaultGateway"),
}
_KIND = {name: kind for kind, names in _TELLING.items() for name in names}
_MAC = re.compile(r"(?i)[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_IP = re.compile(r"(\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F]{0,4}(:[0-9a-fA-F]{0,4}){2,7}")
# Shorter ones ("1", "R2") occur by chance in what tells nothing.
_SHORTEST = 5


def without_secrets(part: Any, name: str = "") -> Any:
    """A copy with secret values replaced; what may be read of a key pair's public half stays."""
    if isinstance(part, dict):
        return {key: without_secrets(value, key) for key, value in part.items()}
    if isinstance(part, list):
        return [without_secrets(value, name) for value in part]
    if isinstance(part, str) and part:
        secret = _SECRET.search(name) and not name.startswith("@") and not part.startswith("/redfish")
        return REMOVED if secret else _LOGIN_IN_URL.sub(r"\1", part)
    return part


class Pseudonyms:
    """The same value gets the same pseudonym everywhere, also inside of paths and texts."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def learn(self, documents: Any) -> None:
        for name, value in _telling(documents):
            if value not in self._known and value.strip() and value != REMOVED:
                self._known[value] = self._pseudonym(_KIND[name], value)

    def learn_serial(self, value: str) -> None:
        if len(value) >= _SHORTEST and value not in self._known:
            self._known[value] = self._pseudonym("serial", value)

    def _pseudonym(self, kind: str, value: str) -> str:
        number = len(self._known) + 1
        if kind == "uuid":
            return f"00000000-0000-4000-8000-{number:012d}"
        if kind == "mac" and _MAC.fullmatch(value):
            return f"{value[:8]}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        if kind == "ip":
            return f"192.0.2.{number % 254 + 1}" if _IP.fullmatch(value) else value
        if kind == "host":
            return f"host{number}"
        return f"{number:0{len(value)}d}"[-len(value) :]  # the same length: formats stay what they are

    def applied(self, documents: Any) -> Any:
        long = sorted((value for value in self._known if len(value) >= _SHORTEST), key=len, reverse=True)
        text = json.dumps(documents)
        if long:
            words = "|".join(re.escape(json.dumps(value)[1:-1]) for value in long)
            plain = {json.dumps(value)[1:-1]: self._known[value] for value in long}
            text = re.sub(rf"(?<![0-9A-Za-z])(?:{words})(?![0-9A-Za-z])", lambda m: plain[m[0]], text)
        return self._short(json.loads(text))

    def _short(self, part: Any, name: str = "") -> Any:
        if isinstance(part, dict):
            return {key: self._short(value, key) for key, value in part.items()}
        if isinstance(part, list):
            return [self._short(value, name) for value in part]
        known = name in _KIND and isinstance(part, str) and len(part) < _SHORTEST
        return self._known.get(part, part) if known else part

    def in_bytes(self, area: bytes) -> bytes:
        """Serial numbers in a FRU area keep their length there."""
        for value, pseudonym in self._known.items():
            if len(value) >= _SHORTEST and len(pseudonym) == len(value):
                area = area.replace(value.encode(), pseudonym.encode())
        return area


def _telling(part: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(part, dict):
        for key, value in part.items():
            yield from _telling(value, key)
    elif isinstance(part, list):
        for value in part:
            yield from _telling(value, name)
    elif isinstance(part, str) and name in _KIND:
        yield name, part
