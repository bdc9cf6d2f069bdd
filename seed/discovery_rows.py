"""The rows of a discovery: what one machine told, which rows are one machine, and what has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from hwdrivers.bmc import Identity
from hwdrivers.errors import AccessDenied, BMCError
from hwdrivers.scan_machines import FoundMachine
from seed.discovery_login import Told

Row = dict[str, Any]

IDENTITY = ("vendor", "model", "serial", "uuid", "firmware", "power")
# What a second look compares, in the words of the change.
_COMPARED = ("serial", "uuid", "model", "firmware", "power", "mac")


def row_of(machine: FoundMachine, told: Told | None, mac: str | None) -> Row:
    """One machine; without `told`, what a stranger is told."""
    best = machine.best
    identity = (told.identity if told else None) or Identity()
    address = str(told.address if told else best.address)
    also = [str(found.address) for found in machine.findings if str(found.address) != address]
    if told and told.address.path:
        also = [other for other in also if other != str(best.address)]
    row: Row = {
        "address": address,
        "protocol": best.protocol,
        "protocols": list(dict.fromkeys(found.protocol for found in machine.findings)),
        "detail": best.detail,
        "also": also,
        **asdict(identity),
        "mac": mac or (told.mac if told else None),
        "login": told.login if told else None,
        "findings": [],
        "node": None,
        "outcome": _outcome(told.error if told else None),
        "change": None,
        "error": str(told.error) if told and told.error else None,
    }
    row["vendor"] = row["vendor"] or next((f.vendor for f in machine.findings if f.vendor), None)
    row["model"] = row["model"] or best.product
    if told and told.factory:
        row["findings"].append("lets in with the password of the factory: change it")
    return row


def _outcome(error: BMCError | None) -> str:
    if error is None:
        return "found"
    return "refused" if isinstance(error, AccessDenied) else "failed"


def addresses(row: Mapping[str, Any]) -> list[str]:
    """Wherever it answers."""
    return [row["address"], *row["also"]]


def is_same_machine(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two protocols tell of one machine: by its UUID or serial, and nothing against it.

    The same protocol twice is two machines, whatever they tell: makers ship boards with equal UUIDs.
    """
    if set(one["protocols"]) & set(other["protocols"]):
        return False
    return _agree(one, other)


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    serials = (one["serial"], other["serial"])
    if all(serials) and serials[0] != serials[1]:
        return False
    same_uuid = bool(one["uuid"] and other["uuid"] and _spellings(one["uuid"]) & _spellings(other["uuid"]))
    return same_uuid or (all(serials) and serials[0] == serials[1])


def identities(row: Mapping[str, Any]) -> set[str]:
    """By what another row of the same machine may be found."""
    return ({row["serial"]} if row["serial"] else set()) | (_spellings(row["uuid"]) if row["uuid"] else set())


def _spellings(uuid: str) -> set[str]:
    # SMBIOS has the first three fields low byte first, IPMI the whole the other way round; BMCs mix them up.
    return {uuid, str(UUID(bytes=UUID(uuid).bytes_le))}


def merged(row: Row, further: Row) -> Row:
    """Two rows of one machine as one, at the better address unless it is enrolled already."""
    rank = {"redfish+https": 0, "ipmi": 1, "redfish+http": 2}
    first, second = sorted((row, further), key=lambda r: rank.get(r["address"].partition("://")[0], 3))
    if row["node"] or further["node"]:
        first, second = (row, further) if row["node"] else (further, row)
    known = {key: first[key] or second[key] for key in (*IDENTITY, "mac", "login")}
    return {
        **first,
        **known,
        "protocols": list(dict.fromkeys([*first["protocols"], *second["protocols"]])),
        "also": [a for a in dict.fromkeys([*addresses(first), *addresses(second)]) if a != first["address"]],
        "findings": list(dict.fromkeys([*first["findings"], *second["findings"]])),
        "error": first["error"] if first["login"] is None and second["login"] is None else None,
    }


def change(before: Mapping[str, Any] | None, now: Mapping[str, Any], asked: Iterable[str]) -> str | None:
    """In words what is not as it was; None: nothing. `asked`: the protocols that this scan speaks."""
    if before is None:
        return "new"
    said = ["is back"] if before.get("gone") else []
    for key in _COMPARED:
        old, new = before.get(key), now.get(key)
        # A stranger is told the model of the service, which is another thing than the machine's.
        alike = key != "model" or (before["login"] and now["login"])
        if old and new and old != new and alike:
            said.append(f"{key}: {old} → {new}")
    lost = [p for p in before["protocols"] if p in asked and p not in now["protocols"]]
    said += [f"{protocol} does not answer any more" for protocol in lost]
    return "; ".join(said) or None


def remembered(before: Mapping[str, Any] | None, now: Row) -> Row:
    """What is kept of a row: also what only an earlier look was told."""
    kept = {key: now[key] for key in ("address", "protocols", "also", *IDENTITY, "mac", "login")}
    for key in (*IDENTITY, "mac", "login"):
        kept[key] = kept[key] or (before or {}).get(key)
    return kept


def find_moved(row: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Under which other address a machine with its serial or UUID was known, if there is just one."""
    same = [address for address, body in known.items() if _agree(row, body)]
    return same[0] if len(same) == 1 else None
