"""What can be wrong with a simulated BMC: `KIND[=VALUE][:ADDRESSES]`, as in `lockout=60:127.64.0.10-20`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vmlab.errors import LabError
from vmlab.simulator.addresses import EVERYWHERE, Addresses


class Kind(StrEnum):
    SILENT = "silent"
    SLOW = "slow"
    DROP = "drop"
    BUSY = "busy"
    FULL = "full"
    CHECKSUM = "checksum"
    INTEGRITY = "integrity"
    GARBLED = "garbled"
    POWER_STUCK = "power-stuck"
    POWER_LIES = "power-lies"
    POWER_LATE = "power-late"
    REBOOT = "reboot"
    LOCKOUT = "lockout"


# (value when none is given, what it does)
KINDS = {
    Kind.SILENT: (0.0, "answers nothing"),
    Kind.SLOW: (5.0, "answers VALUE seconds later"),
    Kind.DROP: (0.5, "loses each packet or request with probability VALUE"),
    Kind.BUSY: (5.0, "503 with Retry-After VALUE; IPMI: completion code C0h, node busy"),
    Kind.FULL: (0.0, "its session table is full"),
    Kind.CHECKSUM: (0.0, "IPMI messages have a wrong checksum"),
    Kind.INTEGRITY: (0.0, "IPMI packets have a wrong integrity code"),
    Kind.GARBLED: (0.0, "Redfish documents end in the middle"),
    Kind.POWER_STUCK: (0.0, "accepts a power change and does nothing"),
    Kind.POWER_LIES: (0.0, "tells the opposite of its power state"),
    Kind.POWER_LATE: (3.0, "power changes take VALUE seconds"),
    Kind.REBOOT: (10.0, "its sessions are gone and it is deaf for VALUE seconds; once"),
    Kind.LOCKOUT: (60.0, "three wrong passwords in a row lock all accounts for VALUE seconds"),
}


@dataclass(frozen=True)
class Fault:
    kind: Kind
    value: float
    #: Wrong passwords in a row that lock accounts.
    attempts: int = 3

    def __str__(self) -> str:
        return f"{self.kind}={self.value:g}"


def parse(text: str) -> tuple[Fault, Addresses]:
    """`lockout=60:127.64.0.10-20`; without addresses: everywhere."""
    what, _, where = text.partition(":")
    name, _, value = what.partition("=")
    kind = kind_of(name)
    try:
        number = float(value) if value else KINDS[kind][0]
    except ValueError:
        raise LabError(
            f"{value!r} is no number, in {text!r}", do=f"Write {kind}={KINDS[kind][0]:g}."
        ) from None
    return Fault(kind, number), Addresses.parse(where) if where else EVERYWHERE


def kind_of(name: str) -> Kind:
    try:
        return Kind(name)
    except ValueError:
        raise LabError(f"there is no fault {name!r}", do=f"There are: {', '.join(Kind)}.") from None
