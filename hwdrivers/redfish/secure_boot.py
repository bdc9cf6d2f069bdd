"""UEFI Secure Boot of a system (DSP0268 SecureBoot)."""

from __future__ import annotations

from hwdrivers.errors import ProtocolError
from hwdrivers.interfaces import Ability
from hwdrivers.redfish.system import System
from hwdrivers.told import told

_ENABLE = "SecureBootEnable"


class RedfishSecureBoot:
    def __init__(self, system: System) -> None:
        self._system = system

    def enabled(self) -> bool:
        with self._system.talking("read secure boot"):
            return self._read()[1]

    def set(self, on: bool) -> None:
        with self._system.talking("set secure boot"):
            path, now = self._read()
            if now is not on:
                self._system.patch(path, {_ENABLE: on})

    def ability(self) -> Ability:
        with self._system.talking("look for secure boot"):
            _, document = self._system.part("secure boot", "SecureBoot")
        now = told(document.get("SecureBootCurrentBoot"))
        return Ability(True, f"now {now.lower()}" if now else "")

    def _read(self) -> tuple[str, bool]:
        path, document = self._system.part("secure boot", "SecureBoot")
        value = document.get(_ENABLE)
        if not isinstance(value, bool):
            text = f"it tells {value!r} where true or false belongs"
            raise ProtocolError.at(self._system.address, "read secure boot", text, "update its firmware")
        return path, value
