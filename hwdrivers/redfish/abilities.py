"""What one model behind a Redfish service can do, found with a few cheap requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hwdrivers.errors import BMCError
from hwdrivers.interfaces import Ability, Interface
from hwdrivers.offers import ATTRIBUTES, Offers
from hwdrivers.redfish import boot
from hwdrivers.redfish.documents import inside, texts
from hwdrivers.redfish.system import System


class _Able(Protocol):
    def ability(self) -> Ability: ...


def find_abilities(driver: Offers, system: System) -> tuple[Mapping[Interface, Ability], bool]:
    """Every interface, and whether that will stay so: False when the BMC could not be asked. Never raises."""
    found: dict[Interface, Ability] = {}
    lasting = True
    try:
        with system.talking("see what it can do"):
            for interface in Interface:
                found[interface], stays = _found(driver, system, interface)
                lasting = lasting and stays
    except BMCError as error:  # closed
        return dict.fromkeys(Interface, Ability(False, _why(error))), False
    return found, lasting


def _found(driver: Offers, system: System, interface: Interface) -> tuple[Ability, bool]:
    try:
        return _ability(driver, system, interface), True
    except BMCError as error:
        return Ability(False, _why(error)), not error.retryable


def _ability(driver: Offers, system: System, interface: Interface) -> Ability:
    if interface is Interface.CONSOLE:
        return _console(system)
    if interface in ATTRIBUTES:
        able: _Able = getattr(driver, ATTRIBUTES[interface])
        return able.ability()
    with system.talking(f"look for {interface}"):
        document = system.document()
        if interface is Interface.BOOT_DEVICE:
            return boot.ability(document)
        if interface is Interface.BOOT_MODE:
            return boot.mode_ability(document)
        if interface is Interface.POWER:
            kinds = system.allowed(document, "#ComputerSystem.Reset", "ResetType")
            able_to = system.action(document, "#ComputerSystem.Reset") is not None
            return Ability(able_to, ", ".join(kinds) if able_to else "its system has no reset action")
    return Ability(True)


def _console(system: System) -> Ability:
    """Redfish tells of consoles, and leads to none."""
    with system.talking("look for a console"):
        for _, manager in system.managers():
            kinds = texts(inside(manager, "SerialConsole", "ConnectTypesSupported"))
            if kinds:
                way = "use its ipmi:// address" if "IPMI" in kinds else "not through this driver"
                return Ability(False, f"its manager offers {', '.join(kinds)}: {way}")
    return Ability(False, "Redfish has none: use its ipmi:// address where it has one")


def _why(error: BMCError) -> str:
    """What was seen, without the address and the action before it, and the advice after it."""
    return str(error).partition(": cannot ")[2].partition(": ")[2].rpartition("; ")[0] or str(error)
