"""Sensors and their readings (IPMI 2.0 section 35)."""

from __future__ import annotations

import copy

from pyghmi.constants import Health as PyghmiHealth
from pyghmi.ipmi.sdr import ones_complement, twos_complement

from hwdrivers.interfaces import Health, Sensor
from hwdrivers.ipmi.kept_session import KeptSession
from hwdrivers.ipmi.sdr import Entry, Repository
from hwdrivers.ipmi.session import DAMAGED

_SENSOR = 0x04  # network function
_BMC = 0x20
_NON_LINEAR = 12  # linearizations from here on need factors that depend on the reading (table 43-1, byte 24)
_UCUM = {"°C": "Cel", "°F": "[degF]", "hr": "h", "μs": "us", "degrees C": "Cel"}
# Where a full record has its thresholds (table 43-1, byte - 1) and the bit that says that they are readable.
_LOW_CRITICAL, _HIGH_CRITICAL = (40, 1), (37, 4)


class Sensors:
    """`hwdrivers.interfaces.Sensors` over IPMI. Sensors behind other controllers have no reading."""

    def __init__(self, bmc: KeptSession, repository: Repository) -> None:
        self._bmc = bmc
        self._repository = repository

    def read(self) -> tuple[Sensor, ...]:
        return tuple(self._sensor(entry) for entry in self._repository.sensors() if entry.readable)

    def _sensor(self, entry: Entry) -> Sensor:
        try:
            return _told(*self._measured(entry))
        except DAMAGED:
            return Sensor(entry.sensor_name, entry.sensor_type)

    def _measured(self, entry: Entry) -> tuple[Entry, bytes | None]:
        """Get Sensor Reading: value, flags, states; None where the sensor is absent or not the BMC's own."""
        if entry.sensor_owner != _BMC:
            return entry, None
        what = f"read the sensor {entry.sensor_name}"
        code, reading = self._bmc.answer(what, _SENSOR, 0x2D, (entry.sensor_number,), lun=entry.sensor_lun)
        if code != 0 or len(reading) < 2:
            return entry, None
        if (entry.linearization or 0) >= _NON_LINEAR:
            asked = (entry.sensor_number, reading[0])
            code, factors = self._bmc.answer(what, _SENSOR, 0x23, asked, lun=entry.sensor_lun)
            entry = _straightened(entry, factors)
        return entry, reading if code == 0 else None


def _straightened(entry: Entry, factors: bytes) -> Entry:
    """With the factors of this reading the formula is linear; those of the thresholds are not known."""
    entry = copy.copy(entry)
    entry.decode_formula(factors[1:])
    entry.linearization, entry.has_thresholds = 0, False
    return entry


def _told(entry: Entry, reading: bytes | None) -> Sensor:
    if reading is None:
        return Sensor(entry.sensor_name, entry.sensor_type)
    seen = entry.decode_sensor_reading(None, reading.ljust(4, b"\0"))
    low, high = _threshold(entry, *_LOW_CRITICAL), _threshold(entry, *_HIGH_CRITICAL)
    analog = seen.value is not None
    return Sensor(
        name=entry.sensor_name,
        kind=entry.sensor_type,
        value=_converted(entry, reading[0]) if analog else None,
        unit=_unit(entry) if analog or low is not None or high is not None else None,
        state=None
        if seen.unavailable
        else ", ".join(seen.states) or (None if analog else "nothing asserted"),
        health=None if seen.unavailable else health(seen.health),
        low_critical=low,
        high_critical=high,
    )


def _threshold(entry: Entry, byte: int, bit: int) -> float | None:
    if entry.rectype != 1 or not entry.has_thresholds or not entry.raw[18] & 1 << bit:
        return None
    return _converted(entry, entry.raw[byte])


def _converted(entry: Entry, raw: int) -> float:
    """By the sensor's formula; pyghmi gives the middle of the tolerance, which is another value for 1/x."""
    signed = {1: ones_complement, 2: twos_complement}.get(entry.numeric_format)
    value = entry.decode_value(None, signed(raw, 8) if signed else raw)
    return float(f"{value:.6g}")  # 8 bits times a factor of 10 have no more digits


def _unit(entry: Entry) -> str | None:
    if entry.percent:
        return "%"
    base, by = (str(_UCUM.get(unit, unit)) for unit in (entry.baseunit, entry.modunit))
    if entry.unit_mod:  # "/" or " ", a product
        return f"{base}{entry.unit_mod.replace(' ', '.')}{by}"
    return base or None


def health(mask: int) -> Health:
    """pyghmi's bits in our words."""
    if mask & (PyghmiHealth.Critical | PyghmiHealth.Failed):
        return Health.CRITICAL
    return Health.WARNING if mask & PyghmiHealth.Warning else Health.OK
