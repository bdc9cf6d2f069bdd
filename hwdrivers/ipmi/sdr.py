"""Sensor data records (IPMI 2.0 sections 33 and 43): read by ourselves, decoded by pyghmi.

pyghmi's own reader (1.6.19) shares what it read between all BMCs of a model in the process, and asks for ever
where a BMC keeps on refusing; its decoder never comes to the end of 6-bit ASCII, so texts are read here too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyghmi.ipmi import sdr as pyghmi_sdr
from pyghmi.ipmi.private import constants

from hwdrivers.errors import ProtocolError
from hwdrivers.ipmi.errors import refused
from hwdrivers.ipmi.kept_session import KeptSession
from hwdrivers.ipmi.session import DAMAGED

_WHAT = "read its sensor data records"
_SENSOR, _STORAGE = 0x04, 0x0A  # network functions
_INFO, _RESERVE, _GET = 0x20, 0x22, {_STORAGE: 0x23, _SENSOR: 0x21}
_WHOLE = 0xFF
_TOO_MUCH = (0xCA, 0xC8, 0xC9, 0xFF)  # 0xCA by the standard; the others were seen with "whole record"
_LOST_RESERVATION = 0xC5
_PATIENCE = 5
_LAST = 0xFFFF


class Entry(pyghmi_sdr.SDREntry):  # type: ignore[misc]
    """A decoded record. `sdrtype` tells sensors (1) from FRU locators (2) and the rest (0)."""

    def __init__(self, record: bytes) -> None:
        super().__init__(bytearray(record), constants)
        self.raw = record

    def tlv_decode(self, tlv: int, data: bytearray) -> str:
        text = bytes(data[: tlv & 0x1F])
        if tlv >> 6 == 2:
            return _six_bit(text)
        return str(super().tlv_decode(tlv, data)) if tlv >> 6 == 1 else text.decode("latin-1").rstrip("\0 ")


def _six_bit(packed: bytes) -> str:
    bits = int.from_bytes(packed, "little")
    return "".join(chr(0x20 + (bits >> at & 0x3F)) for at in range(0, len(packed) * 8 // 6 * 6, 6)).rstrip()


class Repository:
    """A BMC's records, read again only when it says that they have changed."""

    def __init__(self, bmc: KeptSession) -> None:
        self._bmc = bmc
        self._version: bytes | None = None
        self._entries: tuple[Entry, ...] = ()

    def sensors(self) -> list[Entry]:
        return [entry for entry in self._read() if entry.sdrtype == pyghmi_sdr.TYPE_SENSOR]

    def frus(self) -> list[Entry]:
        """FRU devices of the BMC itself; those behind other controllers are not asked."""
        located = [entry for entry in self._read() if entry.sdrtype == pyghmi_sdr.TYPE_FRU]
        return [entry for entry in located if entry.fru_logical and entry.raw[5] == 0x20]

    def _read(self) -> tuple[Entry, ...]:
        netfn, version = self._source()
        if version != self._version:
            records = _Reader(self._bmc, netfn).records()
            self._entries = tuple(entry for entry in map(decoded, records) if entry is not None)
            self._version = version
        return self._entries

    def _source(self) -> tuple[int, bytes]:
        """The SDR repository, or the device's own records where it has none (IPMI 2.0 section 33.7, 35.2)."""
        code, info = self._bmc.answer(_WHAT, _STORAGE, _INFO)
        if code == 0:
            # Without the free space (bytes 4 and 5): that is no change.
            return _STORAGE, info[:3] + info[5:]
        return _SENSOR, self._bmc.ask(_WHAT, _SENSOR, _INFO)


def decoded(record: bytes) -> Entry | None:
    """None: damaged, or of a version that nobody knows."""
    try:
        return Entry(record)
    except DAMAGED:
        return None


class _Reader:
    """Reads whole records, and in parts from a BMC that cannot send them whole."""

    def __init__(self, bmc: KeptSession, netfn: int) -> None:
        self._bmc = bmc
        self._netfn = netfn
        self._size = _WHOLE
        self._reservation = bytes(2)
        self._patience = _PATIENCE

    def records(self) -> Iterator[bytes]:
        number, seen = 0, set()
        while number not in seen and number != _LAST:  # a BMC may point back: seen once is enough
            seen.add(number)
            number, record = self._record(number)
            yield record

    def _record(self, number: int) -> tuple[int, bytes]:
        if self._size == _WHOLE:
            found = self._part(number, 0, _WHOLE)
            if found is not None:
                return int.from_bytes(found[:2], "little"), found[2:]
            self._size = 0x20
            self._reserve()
        head = self._must(number, 0, 5)
        record = head[2:7]
        while len(record) < record[4] + 5:
            part = self._must(number, len(record), min(self._size, record[4] + 5 - len(record)))[2:]
            if not part:
                raise ProtocolError.at(self._bmc.address, _WHAT, "an empty part of a record", "reset the BMC")
            record += part
        return int.from_bytes(head[:2], "little"), record

    def _must(self, number: int, offset: int, size: int) -> bytes:
        """A part, asked for in ever smaller sizes; raises when the BMC never answers well."""
        while (part := self._part(number, offset, size)) is None:
            self._size = size = max(size // 2, 1)
        if len(part) < (7 if offset == 0 else 2):
            raise ProtocolError.at(self._bmc.address, _WHAT, "a record that is too short", "reset the BMC")
        return part

    def _part(self, number: int, offset: int, size: int) -> bytes | None:
        """None: that is too much at once. The first two bytes are the number of the next record."""
        while True:
            data = (*self._reservation, *number.to_bytes(2, "little"), offset & 0xFF, size)
            code, part = self._bmc.answer(_WHAT, self._netfn, _GET[self._netfn], data)
            if code == 0:
                return part
            self._patience -= 1
            if self._patience < 0 or code not in (*_TOO_MUCH, _LOST_RESERVATION):
                raise refused(self._bmc.address, _WHAT, code)
            if code != _LOST_RESERVATION:
                return None
            self._reserve()

    def _reserve(self) -> None:
        self._reservation = self._bmc.ask(_WHAT, self._netfn, _RESERVE, least=2)[:2]


def words_of(reading_type: int, sensor_type: int, offset: int) -> dict[str, Any]:
    """pyghmi's words for one state or event: {'desc', 'severity', ...}; {} when it has none."""
    tables: Any = constants.generic_type_offsets
    if reading_type == 0x6F:
        tables, reading_type = constants.sensor_type_offsets, sensor_type
    found: dict[str, Any] = tables.get(reading_type, {}).get(offset, {})
    return found
