"""FRU, SDR, sensors and SEL of a simulated BMC. Sections are of IPMI 2.0 (FRU: of FRU 1.3)."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass

from vmlab.simulator.ipmi.commands import (
    BAD_LENGTH,
    INVALID_DATA,
    NOT_PRESENT,
    OK,
    OPERATOR,
    OUT_OF_RANGE,
    Asked,
    command,
)

_LAST = 0xFFFF
# What does not fit into one answer is asked for in parts: C8h, CAh (table 5-2).
_TOO_MUCH = b"\xca"
_MOST_BYTES = 200


# --- FRU


def _field(text: str) -> bytes:
    """Type/length byte (11b: 8-bit text) and text; section 13."""
    told = text.encode("latin-1", "replace")[:62]
    return bytes((0xC0 | len(told),)) + told


def _area(head: bytes, fields: tuple[str, ...]) -> bytes:
    body = b"\x01\x00" + head + b"".join(map(_field, fields)) + b"\xc1"
    body += bytes(-(len(body) + 1) % 8)
    body = body[:1] + bytes(((len(body) + 1) // 8,)) + body[2:]
    return body + bytes((-sum(body) & 0xFF,))


def fru_of(asked: Asked) -> bytes:
    """As recorded; else chassis, board and product areas told from the Redfish documents: both agree."""
    if asked.personality.ipmi.fru:
        return bytes.fromhex(asked.personality.ipmi.fru)
    system = asked.personality.system
    maker, model = str(system.get("Manufacturer") or ""), str(system.get("Model") or "")
    part, serial = str(system.get("PartNumber") or ""), asked.personality.serial(asked.machine)
    chassis = _area(b"\x17", (part, serial))  # 17h: rack mount
    board = _area(b"\x19\x00\x00\x00", (maker, model, serial, part, ""))
    product = _area(b"\x19", (maker, model, part, "", serial, str(system.get("AssetTag") or ""), ""))
    offsets = (0, 1, 1 + len(chassis) // 8, 1 + (len(chassis) + len(board)) // 8, 0)
    header = bytes((1, *offsets, 0))
    return header + bytes((-sum(header) & 0xFF,)) + chassis + board + product


@command(0x0A, 0x10)
def fru_area(asked: Asked) -> bytes:
    if asked.data[0]:
        return NOT_PRESENT
    return OK + len(fru_of(asked)).to_bytes(2, "little") + b"\x00"


@command(0x0A, 0x11)
def read_fru(asked: Asked) -> bytes:
    if asked.data[0]:
        return NOT_PRESENT
    start, count = int.from_bytes(asked.data[1:3], "little"), asked.data[3]
    area = fru_of(asked)
    if start >= len(area):
        return OUT_OF_RANGE
    if count > _MOST_BYTES:
        return _TOO_MUCH
    part = area[start : start + count]
    return OK + bytes((len(part),)) + part


# --- sensors


@dataclass(frozen=True)
class _Sensor:
    """An analog sensor. `raw`: its reading; a value is raw × `times` × 10 ** `power`. Limits are raw as well.

    `kind`: table 42-3; `unit`: table 43-15.
    """

    number: int
    name: str
    kind: int
    unit: int
    raw: int
    times: int = 1
    power: int = 0
    low_critical: int | None = None
    high_critical: int | None = None

    def thresholds(self) -> bytes:
        """Which may be read; lower non-critical, critical, non-recoverable; upper ones (section 35.9)."""
        low, high = self.low_critical, self.high_critical
        mask = (0x02 if low is not None else 0) | (0x10 if high is not None else 0)
        return bytes((mask, 0, low or 0, 0, 0, high or 0, 0))

    def record(self, number: int) -> bytes:
        """Full Sensor Record: section 43.1."""
        limits = self.thresholds()
        readable = limits[0]
        key = bytes((0x20, 0, self.number))
        # Entity 7 (system board); events and scanning on; its readable thresholds; analog, unsigned.
        about = bytes((7, 1, 0x7F, 0x68, self.kind, 0x01))
        masks = bytes(4) + bytes((readable, 0))
        units = bytes((0, self.unit, 0))
        formula = bytes((0, self.times & 0xFF, (self.times >> 8 & 3) << 6, 0, 0, 0, (self.power & 0xF) << 4))
        nominal = bytes((0, 0, 0, 0, 0xFF, 0))
        upper_to_lower = bytes((limits[6], limits[5], limits[4], limits[3], limits[2], limits[1]))
        name = self.name.encode()[:16]
        tail = bytes((2, 2, 0, 0, 0, 0xC0 | len(name))) + name
        body = key + about + masks + units + formula + nominal + upper_to_lower + tail
        return struct.pack("<HBBB", number, 0x51, 0x01, len(body)) + body


# Section 42.2: 1 temperature, 2 voltage, 4 fan, 8 power supply; units 1 °C, 4 V, 6 W, 18 RPM.
_SENSORS = (
    _Sensor(1, "Inlet Temp", 1, 1, 24, low_critical=3, high_critical=47),
    _Sensor(2, "CPU1 Temp", 1, 1, 51, high_critical=95),
    _Sensor(3, "CPU2 Temp", 1, 1, 49, high_critical=95),
    _Sensor(4, "Fan1", 4, 18, 68, times=120, low_critical=5),
    _Sensor(5, "Fan2", 4, 18, 67, times=120, low_critical=5),
    _Sensor(6, "12V", 2, 4, 201, times=6, power=-2, low_critical=180, high_critical=220),
    _Sensor(7, "PSU1 Power", 8, 6, 91, times=2, high_critical=250),
)
_RECORDS = {number: sensor.record(number) for number, sensor in enumerate(_SENSORS, 1)}
_BY_NUMBER = {sensor.number: sensor for sensor in _SENSORS}


def _records(asked: Asked) -> dict[int, bytes]:
    return asked.personality.ipmi.records or _RECORDS


@command(0x0A, 0x20)
def sdr_info(asked: Asked) -> bytes:
    # Version 51h; free space unknown; never changed; reserve and get are supported.
    return OK + struct.pack("<BHHIIB", 0x51, len(_records(asked)), 0xFFFF, 0, 0, 0x22)


@command(0x0A, 0x22)
@command(0x0A, 0x42)
def reserve(asked: Asked) -> bytes:
    return OK + b"\x01\x00"


@command(0x0A, 0x23)
def get_sdr(asked: Asked) -> bytes:
    _, number, start, count = struct.unpack("<HHBB", asked.data[:6].ljust(6, b"\0"))
    records = _records(asked)
    number = number or min(records)
    record = records.get(number)
    if record is None:
        return NOT_PRESENT
    if count != 0xFF and count > _MOST_BYTES:
        return _TOO_MUCH
    following = min((other for other in records if other > number), default=_LAST)
    part = record[start:] if count == 0xFF else record[start : start + count]
    return OK + following.to_bytes(2, "little") + part


@command(0x04, 0x2D)
def reading(asked: Asked) -> bytes:
    if asked.personality.ipmi.records:
        recorded = asked.personality.ipmi.readings.get(str(asked.data[0]))
        return OK + bytes.fromhex(recorded) if recorded else NOT_PRESENT
    sensor = _BY_NUMBER.get(asked.data[0])
    if sensor is None:
        return NOT_PRESENT
    # What hangs on the host's power has no reading without it (bit 5: not available).
    off = sensor.kind in (4, 2) and not asked.machine.is_on(asked.fleet.now())
    return OK + (bytes((0, 0xE0, 0xC0)) if off else bytes((sensor.raw, 0xC0, 0xC0)))


@command(0x04, 0x27)
def thresholds(asked: Asked) -> bytes:
    sensor = None if asked.personality.ipmi.records else _BY_NUMBER.get(asked.data[0])
    return NOT_PRESENT if sensor is None else OK + sensor.thresholds()


# --- the system event log


def _event(seconds: int, kind: int, sensor: int, direction: int, data: bytes) -> bytes:
    """After its number: section 32.1."""
    return struct.pack("<BIHBBBB", 2, seconds, 0x0020, 4, kind, sensor, direction) + data


def _first_events() -> list[bytes]:
    start = 1767600000  # 2026-01-05
    return [
        _event(start, 0x10, 0x72, 0x6F, b"\x02\xff\xff"),  # log area cleared
        _event(
            start + 5400, 1, 1, 0x01, b"\x57\x2f\x2f"
        ),  # inlet temperature: upper non-critical, going high
        _event(start + 9000, 1, 1, 0x81, b"\x57\x18\x2f"),  # and good again
    ]


def _events(asked: Asked) -> list[bytes]:
    if asked.machine.sel is None:
        recorded = asked.personality.ipmi.sel
        asked.machine.sel = list(map(bytes.fromhex, recorded)) if recorded else _first_events()
    return asked.machine.sel


@command(0x0A, 0x40)
def sel_info(asked: Asked) -> bytes:
    return OK + struct.pack("<BHHIIB", 0x51, len(_events(asked)), 0x4000, 0, 0, 0x02)


@command(0x0A, 0x43)
def get_sel(asked: Asked) -> bytes:
    _, number, start, count = struct.unpack("<HHBB", asked.data[:6].ljust(6, b"\0"))
    events = _events(asked)
    number = len(events) if number == _LAST else number or 1
    if not 0 < number <= len(events):
        return NOT_PRESENT
    following = number + 1 if number < len(events) else _LAST
    record = number.to_bytes(2, "little") + events[number - 1]
    part = record[start:] if count == 0xFF else record[start : start + count]
    return OK + following.to_bytes(2, "little") + part


@command(0x0A, 0x47, OPERATOR)
def clear_sel(asked: Asked) -> bytes:
    if asked.data[2:5] != b"CLR":
        return BAD_LENGTH if len(asked.data) < 6 else INVALID_DATA
    if asked.data[5] == 0xAA:
        asked.machine.sel = []
        asked.machine.done.append("clear sel")
    return OK + b"\x01"  # done


@command(0x0A, 0x48)
def sel_time(asked: Asked) -> bytes:
    return OK + int(time.time()).to_bytes(4, "little")
