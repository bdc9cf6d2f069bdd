"""What a simulated BMC says of itself: a JSON file, recorded from a real one or written by hand.

{"redfish": {path: document}, "redfish_status": {path: HTTP status}, "ipmi": {...},
"latency": {"ipmi": [seconds] or "median,sigma", "redfish": ...}}; every part may be missing, and a file of
nothing but {path: document} is one as well.
"""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from vmlab.errors import LabError
from vmlab.simulator.latency import Latency
from vmlab.simulator.machine import Machine

PACKAGED = Path(__file__).parent / "personalities"


@dataclass(frozen=True)
class IPMIFacts:
    """`manufacturer`: IANA enterprise number; `suites`: cipher suites that it takes.

    As recorded, in hexadecimal (empty: made up): the FRU area, SDR records, readings by sensor number, the
    event log's records without their numbers, LAN parameters by number.
    """

    manufacturer: int = 0
    product: int = 0
    firmware: str = "1.0"
    suites: tuple[int, ...] = (3, 17)
    fru: str = ""
    sdr: tuple[str, ...] = ()
    readings: dict[str, str] = field(default_factory=dict)
    sel: tuple[str, ...] = ()
    lan: dict[str, str] = field(default_factory=dict)
    guid: str = ""

    @cached_property
    def records(self) -> dict[int, bytes]:
        """SDR records by their numbers."""
        records = map(bytes.fromhex, self.sdr)
        return {int.from_bytes(record[:2], "little"): record for record in records}


@dataclass(frozen=True)
class Personality:
    name: str
    redfish: dict[str, dict[str, Any]]
    ipmi: IPMIFacts
    statuses: dict[str, int]
    ipmi_latency: Latency
    redfish_latency: Latency

    @cached_property
    def system(self) -> dict[str, Any]:
        """The first ComputerSystem's document."""
        kinds = (doc for doc in self.redfish.values() if "#ComputerSystem." in str(doc.get("@odata.type")))
        return next(kinds, {})

    def guid(self, machine: Machine) -> bytes:
        """As SMBIOS writes it (the first three fields with the lowest byte first), like most BMCs do."""
        if not machine.guid:
            machine.guid = uuid.UUID(self.uuid(machine)).bytes_le
        return machine.guid

    def uuid(self, machine: Machine) -> str:
        return own_uuid(str(self.system.get("UUID")), machine)

    def serial(self, machine: Machine) -> str:
        return own_serial(str(self.system.get("SerialNumber") or ""), machine)


def own_serial(recorded: str, machine: Machine) -> str:
    """In the vendor's style, but this machine's; blanks stay (Supermicro X10 tells nothing else)."""
    return recorded[:-6] + machine.own if recorded.strip() else recorded


def own_uuid(recorded: str, machine: Machine) -> str:
    try:
        start = str(uuid.UUID(recorded))[:24]
    except ValueError:
        start = "5b1d0000-4c6f-4162-8000-"
    return f"{start}{machine.number:012x}"


def own_mac(recorded: str, machine: Machine) -> str:
    """The vendor's part stays, and the last byte, which tells the NICs of one machine apart."""
    if len(recorded) != 17:
        return recorded
    high, low = divmod(machine.number & 0xFFFF, 256)
    return f"{recorded[:9]}{high:02X}{recorded[2]}{low:02X}{recorded[-3:]}"


def load(name: str, latency: str, chance: random.Random) -> Personality:
    """A packaged personality by its name, or a file. `latency`: instead of what the file says."""
    path = PACKAGED / f"{name}.json"
    if not path.exists():
        path = Path(name)
    try:
        told = json.loads(path.read_text())
        documents = {key: document for key, document in told.items() if key.startswith("/")}
        if documents:
            told = {"redfish": documents}
        redfish = {(key.rstrip("/") or "/"): document for key, document in told.get("redfish", {}).items()}
        ipmi = IPMIFacts(**{name: _frozen(value) for name, value in told.get("ipmi", {}).items()})
    except OSError as error:
        there = ", ".join(sorted(file.stem for file in PACKAGED.glob("*.json")))
        raise LabError(
            f"personality {name}: {error.strerror}", do=f"Packaged: {there}; or give a file."
        ) from None
    except (ValueError, TypeError, AttributeError) as error:
        raise LabError(
            f"personality {path}: {error}", do="Record it again with `undercloud lab record`."
        ) from None
    told_latency = told.get("latency", {})
    ipmi_latency, redfish_latency = (
        Latency.parse(latency, chance) if latency else Latency.told(told_latency.get(protocol, ""), chance)
        for protocol in ("ipmi", "redfish")
    )
    return Personality(
        path.stem, redfish, ipmi, told.get("redfish_status", {}), ipmi_latency, redfish_latency
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
