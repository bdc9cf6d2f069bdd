"""Readings: a chassis' Sensors collection, else its Thermal and Power documents (DSP0268)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hwdrivers.interfaces import Ability, Health, Sensor
from hwdrivers.redfish.documents import Document, dicts, inside, link, number, section
from hwdrivers.redfish.system import System
from hwdrivers.told import told

# UCUM is what Sensor.ReadingUnits has; older documents, and some firmware, have other words.
_UNITS = {"Percent": "%", "{rev}/min": "RPM", "Celsius": "Cel", "Volts": "V", "Amps": "A", "Watts": "W"}
_KINDS = {"Rotational": "Fan"}


@dataclass(frozen=True)
class _Old:
    """One list of a Thermal or Power document."""

    section: str
    kind: str
    reading: tuple[str, ...]
    unit: str


_THERMAL = (
    _Old("Temperatures", "Temperature", ("ReadingCelsius",), "Cel"),
    _Old("Fans", "Fan", ("Reading", "ReadingRPM"), "RPM"),
)
_POWER = (
    _Old("Voltages", "Voltage", ("ReadingVolts",), "V"),
    _Old("PowerControl", "Power", ("PowerConsumedWatts",), "W"),
    _Old("PowerSupplies", "Power", ("PowerOutputWatts", "LastPowerOutputWatts"), "W"),
)


class RedfishSensors:
    def __init__(self, system: System) -> None:
        self._system = system

    def read(self) -> tuple[Sensor, ...]:
        with self._system.talking("read the sensors"):
            found = tuple(self._all())
            if not found:
                raise self._system.lacks("sensors")
            return found

    def ability(self) -> Ability:
        with self._system.talking("look for sensors"):
            for _, chassis in self._system.chassis():
                for kind in ("Sensors", "Thermal", "Power"):  # iDRAC 7 links to Thermal, and answers 404
                    if self._system.get(link(chassis, kind)) is not None:
                        return Ability(True, kind)
        return Ability(False, "its chassis tells none")

    def _all(self) -> Iterator[Sensor]:
        for _, chassis in self._system.chassis():
            new = [_new(doc) for _, doc in self._system.documents.members(link(chassis, "Sensors"))]
            yield from new or self._old(chassis)

    def _old(self, chassis: Document) -> Iterator[Sensor]:
        for name, lists in (("Thermal", _THERMAL), ("Power", _POWER)):
            document = self._system.get(link(chassis, name))
            for old in lists:
                for entry in dicts(inside(document, old.section)):
                    yield _from_old(old, entry)


def _new(document: Document) -> Sensor:
    unit = told(document.get("ReadingUnits"))
    kind = told(document.get("ReadingType")) or _guess(unit)
    if told(document.get("PhysicalContext")) == "Fan" and kind == "Percent":
        kind = "Fan"
    return Sensor(
        name=told(document.get("Name")) or told(document.get("Id")) or "unnamed",
        kind=_KINDS.get(kind, kind),
        value=_unless_absent(document, number(document.get("Reading"))),
        unit=_UNITS.get(unit, unit) if unit else None,
        state=_state(document),
        health=health(section(document, "Status").get("Health")),
        low_critical=number(inside(document, "Thresholds", "LowerCritical", "Reading")),
        high_critical=number(inside(document, "Thresholds", "UpperCritical", "Reading")),
    )


def _guess(unit: str | None) -> str:
    known = {"Cel": "Temperature", "V": "Voltage", "A": "Current", "W": "Power", "RPM": "Fan", "%": "Percent"}
    return known.get(_UNITS.get(unit or "", unit or ""), "Other")


def _from_old(old: _Old, entry: Document) -> Sensor:
    unit = told(entry.get("ReadingUnits"))
    value = next((v for name in old.reading if (v := number(entry.get(name))) is not None), None)
    value = _unless_absent(entry, value)
    return Sensor(
        name=told(entry.get("Name")) or told(entry.get("FanName")) or old.kind,
        kind=old.kind,
        value=value,
        unit=_UNITS.get(unit, unit) if unit else old.unit,
        state=_state(entry),
        health=health(section(entry, "Status").get("Health")),
        # X10 tells 0 for both thresholds where a sensor has none.
        low_critical=_threshold(entry, "LowerThresholdCritical"),
        high_critical=_threshold(entry, "UpperThresholdCritical"),
    )


def _threshold(entry: Document, name: str) -> float | None:
    low, high = number(entry.get("LowerThresholdCritical")), number(entry.get("UpperThresholdCritical"))
    return None if not low and not high else number(entry.get(name))


def _unless_absent(document: Document, value: float | None) -> float | None:
    """X10 tells 0 degrees for what is absent while the machine is off."""
    return None if section(document, "Status").get("State") in ("Absent", "UnavailableOffline") else value


def _state(document: Document) -> str | None:
    """Only what is remarkable."""
    state = told(section(document, "Status").get("State"))
    return None if state == "Enabled" else state


def health(value: object) -> Health | None:
    return Health(value) if isinstance(value, str) and value in set(Health) else None
