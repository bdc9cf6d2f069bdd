"""FRU devices (IPMI 2.0 section 34; FRU Storage Definition 1.3): read by ourselves, parsed by pyghmi.

pyghmi (1.6.19) gives up all of a device for one damaged area, and reads on behind the end of a short one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from pyghmi.exceptions import PyghmiException
from pyghmi.ipmi import fru as pyghmi_fru
from pyghmi.ipmi.private import spd

from hwdrivers.ipmi.kept_session import KeptSession
from hwdrivers.ipmi.session import DAMAGED

_STORAGE = 0x0A  # network function
_INFO, _READ = 0x10, 0x11
_CHUNK = 224  # what most BMCs take, says pyghmi
_TOO_MUCH = (0xC7, 0xC8, 0xC9, 0xCA)
_LIMIT = 8192  # bytes; a FRU has a few hundred
_END = 0xC1
_POWER_SUPPLY = 0x00  # record type in the multi-record area


def read(bmc: KeptSession, device: int) -> bytes:
    """All of a FRU device, as far as it can be read; b"" when there is none."""
    what = f"read FRU {device}"
    code, info = bmc.answer(what, _STORAGE, _INFO, (device,))
    size = min(int.from_bytes(info[:2], "little"), _LIMIT) if code == 0 else 0
    area, chunk = b"", _CHUNK
    while len(area) < size:
        count = min(chunk, size - len(area))
        data = (device, *len(area).to_bytes(2, "little"), count)
        code, answer = bmc.answer(what, _STORAGE, _READ, data)
        if code in _TOO_MUCH and chunk > 8:
            chunk //= 2
        elif code != 0 or len(answer) < 2:
            break
        else:
            area += answer[1 : 1 + count]
    return area


class _Areas(pyghmi_fru.FRU):  # type: ignore[misc]
    """Each area by itself: one that is damaged costs its own fields only."""

    def _parse_chassis(self) -> None:
        with contextlib.suppress(PyghmiException, *DAMAGED):
            super()._parse_chassis()

    def _parse_board(self) -> None:
        with contextlib.suppress(PyghmiException, *DAMAGED):
            super()._parse_board()

    def _parse_prod(self) -> None:
        with contextlib.suppress(PyghmiException, *DAMAGED):
            super()._parse_prod()

    def _decode_tlv(self, offset: int, lang: int = 0) -> tuple[Any, int]:
        if self.databytes[offset] == _END:
            return None, offset  # stay: what follows is no field
        value, after = super()._decode_tlv(offset, lang)
        return value, after


def parsed(area: bytes) -> Mapping[str, Any]:
    """The fields by pyghmi's names ("Product name", "Serial Number"); {} for what is no FRU."""
    try:
        return _Areas(rawdata=bytearray(area)).info or {}
    except (PyghmiException, *DAMAGED):
        return {}


def fields(bmc: KeptSession, device: int) -> Mapping[str, Any]:
    """The parsed fields of one device; {} when there is none."""
    return parsed(read(bmc, device))


def memory_module(area: bytes) -> Mapping[str, Any]:
    """What a DIMM's own EEPROM (SPD, by JEDEC) tells, by pyghmi's names; {} for what is none."""
    try:
        info: Mapping[str, Any] = spd.SPD(bytearray(area)).info
    except DAMAGED:
        return {}
    return info if "capacity_mb" in info else {}


def watts(area: bytes) -> float | None:
    """What a power supply can deliver, by its multi-record area (section 18.1)."""
    at = area[5] * 8 if len(area) > 5 else 0
    while at and at + 7 <= len(area):
        kind, flags, length = area[at : at + 3]
        if kind == _POWER_SUPPLY:
            return float(int.from_bytes(area[at + 5 : at + 7], "little") & 0x0FFF) or None
        at = 0 if flags & 0x80 else at + 5 + length
    return None
