"""Sensor data records and FRU areas as bytes, as IPMI 2.0 section 43 and the FRU definition have them."""

from __future__ import annotations

import struct


def _text(text: str) -> bytes:
    raw = text.encode("latin-1")
    return bytes([0xC0 | len(raw)]) + raw


def _record(number: int, kind: int, body: bytes) -> bytes:
    return struct.pack("<HBBB", number, 0x51, kind, len(body)) + body


def full_sensor(
    number: int,
    name: str,
    *,
    kind: int,
    unit: int,
    m: int = 1,
    exponent: int = 0,
    b: int = 0,
    signed: bool = False,
    thresholds: tuple[int, int] | None = None,
    percent: bool = False,
    linearization: int = 0,
) -> bytes:
    """SDR type 1, a threshold sensor; `thresholds`: raw (low critical, high critical)."""
    low, high = thresholds or (0, 0)
    # Masks: lower and upper critical are readable (bits 1 and 4 of the settable/readable mask).
    readable = 0b010010 if thresholds else 0
    body = bytes([0x20, 0, number, 7, 1, 0x7F, 0x68 if thresholds else 0x60, kind, 1])
    body += struct.pack("<HHH", 0, 0, readable)
    body += bytes([(0x80 if signed else 0) | int(percent), unit, 0, linearization])
    body += bytes([m & 0xFF, (m >> 8 & 3) << 6, b & 0xFF, (b >> 8 & 3) << 6, 0, (exponent & 0xF) << 4])
    body += bytes([0, 0, 0, 0, 0xFF, 0, 0, high, 0, 0, low, 0, 0, 0, 0, 0, 0])
    return _record(number, 1, body + _text(name))


def compact_sensor(number: int, name: str, *, kind: int, owner: int = 0x20) -> bytes:
    """SDR type 2, a sensor-specific discrete one."""
    body = bytes([owner, 0, number, 7, 1, 0x67, 0x40, kind, 0x6F]) + struct.pack("<HHH", 0, 0, 0xFF)
    return _record(number, 2, body + bytes([0xC0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]) + _text(name))


def fru_locator(number: int, name: str, *, device: int, entity: int, modifier: int = 0) -> bytes:
    """SDR type 11h: FRU `device` of the BMC belongs to an entity (10: power supply, 32: DIMM with SPD)."""
    body = bytes([0x20, device, 0x80, 0, 0, 0x10, modifier, entity, 1, 0])
    return _record(number, 0x11, body + _text(name))


def fru(
    *, chassis: list[str] = (), board: list[str] = (), product: list[str] = (), watts: int | None = None
) -> bytes:
    """A FRU device. `chassis`: part, serial; `board`: maker, product, serial, part; `product`: maker, name,
    part, version, serial, asset tag. `watts`: a power supply record in the multi-record area."""
    areas = [
        b"",
        _area(b"\x17", chassis),
        _area(b"\x19\x00\x00\x00", [*board, ""] if board else []),  # closed by the FRU file's id
        _area(b"\x19", [*product, ""] if product else []),
        _power_supply(watts),
    ]
    offsets, at = [], 8
    for area in areas:
        offsets.append(at // 8 if area else 0)
        at += len(area)
    header = bytes([1, *offsets, 0])
    return header + bytes([-sum(header) & 0xFF]) + b"".join(areas)


def _area(start: bytes, fields: list[str]) -> bytes:
    if not fields:
        return b""
    body = start + b"".join(_text(field) if field else b"\xc0" for field in fields) + b"\xc1"
    length = (len(body) + 3 + 7) // 8
    area = (bytes([1, length]) + body).ljust(length * 8 - 1, b"\x00")
    return area + bytes([-sum(area) & 0xFF])


def ddr4() -> bytes:
    """The EEPROM of a Samsung DDR4 RDIMM (JEDEC 21-C annex L): 16 GiB, 2 ranks of x4 chips, 2,400 MT/s."""
    eeprom = bytearray(512)
    eeprom[2:5] = 0x0C, 1, 4  # DDR4, RDIMM, 4 Gibit
    eeprom[12], eeprom[13], eeprom[18], eeprom[125] = 0b001_000, 0b01_011, 7, 0xD6
    eeprom[320:322] = 0x80, 0xCE
    eeprom[325:329] = bytes.fromhex("00c0ffee")
    eeprom[329:349] = b"M393A2G40DB1-CRC".ljust(20)
    return bytes(eeprom)


def _power_supply(watts: int | None) -> bytes:
    if watts is None:
        return b""
    body = struct.pack("<H", watts) + bytes(22)
    header = bytes([0, 0x82, len(body), -sum(body) & 0xFF])
    return (header + bytes([-sum(header) & 0xFF]) + body).ljust(32, b"\x00")


# The machine that peers and tests know: (record, ipmi_sim's kind of sensor, raw reading), FRU devices.
SENSORS = [
    (full_sensor(1, "CPU1 Temp", kind=1, unit=1, thresholds=(5, 95), signed=True), "0x01 0x01", 42),
    (full_sensor(2, "FAN1", kind=4, unit=18, m=50, thresholds=(10, 240)), "0x04 0x01", 120),
    (
        full_sensor(3, "12V", kind=2, unit=4, m=6, exponent=-2, thresholds=(180, 220)),
        "0x02 0x01",
        200,
    ),
    (full_sensor(4, "CPU2 Temp", kind=1, unit=1), "0x01 0x01", None),
    (compact_sensor(5, "PSU1 Status", kind=8), "0x08 0x6f", None),
    (compact_sensor(6, "ME Health", kind=0x28, owner=0x2C), None, None),
    (fru_locator(7, "PSU1", device=1, entity=10), None, None),
    (fru_locator(8, "DIMM A1", device=2, entity=32, modifier=1), None, None),
    (fru_locator(9, "DIMM B1", device=3, entity=32, modifier=1), None, None),
    (fru_locator(10, "Riser", device=4, entity=11), None, None),
]
BOARD = ["Contoso", "X10 board", "BOARD-1", "BP-1"]
PRODUCT = ["Contoso", "Node 2000", "NP-1", "v1", "NODE-SERIAL-1", "ASSET-9"]
FRUS = {
    0: fru(chassis=["CP-1", "CHASSIS-77"], board=BOARD, product=PRODUCT),
    1: fru(product=["Delta", "DPS-750", "PP-1", "S1F", "PSU-SERIAL-1", ""], watts=750),
    2: ddr4(),
    3: bytes(256),
    4: fru(board=["Contoso", "Riser 2", "RISER-1", "RP-1"]),
}
