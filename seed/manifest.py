"""The manifest of a delivery: which machine is to stand where; read strictly, compared with what answers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from hwdrivers.address import AddressError, BMCAddress, natural
from hwdrivers.mac import normal_mac
from profiles.document import DocumentError, Strict, parse

_WORDS = {"missing": "is missing", "extra_forbidden": "unknown column", "string_type": "must be a text"}


class Place(Strict):
    """One line of a manifest: a place in a rack, and by what its machine is known."""

    rack: str = Field(coerce_numbers_to_str=True, min_length=1)
    slot: str = Field(coerce_numbers_to_str=True, min_length=1)
    serial: str | None = Field(None, coerce_numbers_to_str=True)
    bmc_mac: str | None = None
    bmc_address: str | None = None
    credentials: str | None = None
    name: str | None = None

    @field_validator("bmc_mac")
    @classmethod
    def _mac(cls, text: str | None) -> str | None:
        mac = normal_mac(text)
        if text is not None and mac is None:
            raise ValueError(f"{text!r} is not a MAC address")
        return mac

    @field_validator("bmc_address")
    @classmethod
    def _host(cls, text: str | None) -> str | None:
        try:
            return BMCAddress.parse(text).host if text is not None else None
        except AddressError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _is_known_by_something(self) -> Place:
        if not (self.serial or self.bmc_mac or self.bmc_address):
            raise ValueError("give a serial, a bmc_mac or a bmc_address, or the machine cannot be told")
        return self

    @property
    def node_name(self) -> str:
        """What its node is called; without a name of its own, by its place."""
        place = f"{self.rack}-{self.slot}".lower()
        return self.name or re.sub(r"[^a-z0-9.-]+", "-", place).strip("-")

    def __str__(self) -> str:
        return f"{self.rack}/{self.slot}"


class _Document(Strict):
    machines: tuple[Place, ...]


def read_manifest(text: str, source: str) -> tuple[Place, ...]:
    """The places in `text`, YAML or CSV by the ending of `source`; raises DocumentError with line numbers."""
    if source.lower().endswith((".yaml", ".yml")):
        places = [
            (number, place) for number, place in enumerate(parse(text, _Document, source=source).machines, 1)
        ]
        before, unit = f"{source}: machine ", "machine"
    else:
        places = _read_csv(text, source)
        before, unit = f"{source}:", "line"
    if not places:
        raise DocumentError(f"{source}: it lists no machine")
    findings = [f"{before}{number}: {problem}" for number, problem in _given_twice(places, unit)]
    if findings:
        raise DocumentError("\n".join(findings))
    return tuple(place for _, place in places)


def _read_csv(text: str, source: str) -> list[tuple[int, Place]]:
    """Each place with its line."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    places: list[tuple[int, Place]] = []
    findings: list[str] = []
    try:
        header = [cell.strip() for cell in next(reader, [])]
        findings += [f"{source}:1: {problem}" for problem in _wrong_header(header)]
        for cells in [] if findings else reader:
            line = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                findings.append(f"{source}:{line}: {len(cells)} cells under {len(header)} columns")
                continue
            values = {key: cell.strip() for key, cell in zip(header, cells, strict=True) if cell.strip()}
            try:
                places.append((line, Place.model_validate(values)))
            except ValidationError as error:
                findings += [f"{source}:{line}: {_in_words(item)}" for item in error.errors()]
    except csv.Error as error:
        findings.append(f"{source}:{reader.line_num}: not valid CSV: {error}")
    if findings:
        raise DocumentError("\n".join(findings))
    return places


def _wrong_header(header: Sequence[str]) -> Iterator[str]:
    known = list(Place.model_fields)
    for column in header:
        if column not in known:
            yield f"unknown column {column!r}; there are: {', '.join(known)}"
        elif header.count(column) > 1:
            yield f"column {column!r} is there twice"
    for column in ("rack", "slot"):
        if column not in header:
            yield f"no column {column!r}"


def _in_words(item: Mapping[str, Any]) -> str:
    where = ".".join(map(str, item["loc"]))
    said = _WORDS.get(item["type"], item["msg"].removeprefix("Value error, "))
    return f"{where}: {said}" if where else said


def _given_twice(places: Iterable[tuple[int, Place]], unit: str) -> Iterator[tuple[int, str]]:
    seen: dict[tuple[str, str], int] = {}
    for number, place in places:
        told = {
            "place": str(place),
            "serial": place.serial,
            "bmc_mac": place.bmc_mac,
            "bmc_address": place.bmc_address,
            "name": place.node_name,
        }
        for column, value in told.items():
            if value is not None and (first := seen.setdefault((column, value.lower()), number)) != number:
                yield number, f"{column} {value!r} is given in {unit} {first} already"


class Status(StrEnum):
    """How a place, or a machine without one, stands against the manifest."""

    MATCHING = "matching"
    UNVERIFIED = "unverified"  # something answers there, which does not tell its serial
    MOVED = "moved"
    SWAPPED = "swapped"
    MISSING = "missing"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True)
class Verdict:
    """One line of the report; `rack` and `slot` are None for what is in no place."""

    status: Status
    rack: str | None
    slot: str | None
    name: str | None
    serial: str | None
    address: str | None
    detail: str = ""

    def document(self) -> dict[str, Any]:
        return asdict(self)


Row = Mapping[str, Any]


class Manifest:
    """Finds places for machines and machines for places."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = tuple(places)
        self.wants_macs = any(place.bmc_mac for place in places)

    def of(self, row: Row) -> Place | None:
        """The place that this machine stands in as it should; None: nowhere, or not as it should."""
        return next((p for p in self.places if _stands(p, row) and not _contradicts(p, row)), None)

    def login_at(self, host: str, mac: str | None) -> str | None:
        """Which credentials the manifest names for the BMC at that address."""
        for place in self.places:
            if place.bmc_address == host or (mac and place.bmc_mac == mac):
                return place.credentials
        return None

    def report(self, rows: Sequence[Row]) -> list[Verdict]:
        """Every place, then the machines that are in none, in the order of their addresses."""
        verdicts = [self._verdict(place, rows) for place in self.places]
        named = {verdict.address for verdict in verdicts}
        serials = {place.serial for place in self.places if place.serial}
        for row in sorted(rows, key=lambda row: natural(row["address"])):
            if row["address"] not in named and row["serial"] not in serials:
                detail = "it is in no place of the manifest"
                verdicts.append(_verdict(Status.UNEXPECTED, None, row, detail))
        return verdicts

    def _verdict(self, place: Place, rows: Sequence[Row]) -> Verdict:
        here = next((row for row in rows if _stands(place, row)), None)
        itself = next((row for row in rows if place.serial and row["serial"] == place.serial), None)
        if here is not None and not _contradicts(place, here):
            if place.serial and not here["serial"]:
                return _verdict(Status.UNVERIFIED, place, here, "the BMC there does not tell its serial")
            return _verdict(Status.MATCHING, place, here, _other_name(place, here))
        if itself is not None:
            return self._elsewhere(place, itself)
        if here is not None:
            detail = f"{here['serial'] or here['mac']} answers there instead"
            return _verdict(Status.MISSING, place, None, detail)
        return _verdict(Status.MISSING, place, None, "nothing answers there")

    def _elsewhere(self, place: Place, itself: Row) -> Verdict:
        other = next((p for p in self.places if p is not place and _stands(p, itself)), None)
        if other is not None:
            return _verdict(Status.SWAPPED, place, itself, f"it stands in {other}")
        told = place.bmc_address or place.bmc_mac
        return _verdict(Status.MOVED, place, itself, f"it answers at {itself['address']}, not at {told}")


def _verdict(status: Status, place: Place | None, row: Row | None, detail: str = "") -> Verdict:
    serial = (row["serial"] if row else None) or (place.serial if place else None)
    address = row["address"] if row else None
    if place is None:
        return Verdict(status, None, None, None, serial, address, detail)
    return Verdict(status, place.rack, place.slot, place.node_name, serial, address, detail)


def _stands(place: Place, row: Row) -> bool:
    """Whether the machine answers where the place's BMC should; a serial alone is right anywhere."""
    if place.bmc_mac and row.get("mac"):
        return bool(place.bmc_mac == row["mac"])
    if place.bmc_address:
        hosts = {BMCAddress.parse(address).host for address in (row["address"], *row["also"])}
        return place.bmc_address in hosts
    return place.bmc_mac is None and place.serial == row["serial"]


def _other_name(place: Place, row: Row) -> str:
    """A node keeps the name that it was enrolled with."""
    name = row.get("node")
    return f"its node keeps the name '{name}'" if name and name != place.node_name else ""


def _contradicts(place: Place, row: Row) -> bool:
    return bool(place.serial and row["serial"] and place.serial != row["serial"])
