"""An IPMI BMC without a network: a session whose answers are right, or damaged as chance has it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipmi_records as records
from peers import endpoint

from hwdrivers.errors import AccessDenied
from hwdrivers.ipmi.kept_session import KeptSession

Answer = Callable[[Sequence[int]], bytes | int]

EVENTS = [
    bytes.fromhex("0000 02 00f15365 2000 04 0101 01 59605f"),
    bytes.fromhex("0100 02 00f15365 2000 04 0c08 6f a10102"),
    bytes.fromhex("0200 c1 00f15365 a20200 010203040506"),
    bytes.fromhex("0300 f0 6f6f70730000000000000000000000"[:40]),
]


def mangled(raw: bytes, chance: random.Random) -> bytes:
    """Cut off, lengthened, with flipped bits, or something else altogether."""
    way = chance.randrange(5)
    if way == 0:
        return raw[: chance.randrange(len(raw) + 1)]
    if way == 1:
        return raw + chance.randbytes(chance.randrange(40))
    if way == 2:
        return chance.randbytes(chance.randrange(40))
    damaged = bytearray(raw)
    for _ in range(min(len(raw), chance.randrange(1, 5))):
        damaged[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _record(data: Sequence[int]) -> bytes:
    number = data[2] | data[3] << 8
    all_records = [record for record, _, _ in records.SENSORS]
    wanted = all_records[min(number, len(all_records) - 1)]
    following = number + 1 if number + 1 < len(all_records) else 0xFFFF
    return following.to_bytes(2, "little") + wanted[data[4] : data[4] + data[5]]


def _event(data: Sequence[int]) -> bytes:
    number = min(data[2] | data[3] << 8, len(EVENTS) - 1)
    following = number + 1 if number + 1 < len(EVENTS) else 0xFFFF
    return following.to_bytes(2, "little") + EVENTS[number]


def _fru(data: Sequence[int]) -> bytes:
    part = records.FRUS.get(data[0], b"")[data[1] | data[2] << 8 :][: data[3]]
    return bytes([len(part)]) + part


# What a BMC in good health answers: (network function, command) → data, or a completion code.
RIGHT: dict[tuple[int, int], Answer] = {
    (0x00, 0x01): lambda _: b"\x01\x00\x40\x00",
    (0x00, 0x09): lambda _: b"\x01\x05\x80\x04\x00\x00\x00",
    (0x04, 0x2D): lambda _: b"\x78\x40\x00\x00",
    (0x06, 0x01): lambda _: bytes.fromhex("2001090802 9f a20200 020f"),
    (0x06, 0x37): lambda _: bytes(range(16)),
    (0x06, 0x44): lambda _: b"\x0a\x02\x00\x14",
    (0x06, 0x46): lambda _: b"admin".ljust(16, b"\0"),
    (0x06, 0x47): lambda _: b"",
    (0x0A, 0x10): lambda data: len(records.FRUS.get(data[0], b"")).to_bytes(2, "little") + b"\0",
    (0x0A, 0x11): _fru,
    (0x0A, 0x20): lambda _: b"\x51\x07\x00\xff\xff" + bytes(8) + b"\x2f",
    (0x0A, 0x22): lambda _: b"\x01\x00",
    (0x0A, 0x23): _record,
    (0x0A, 0x42): lambda _: b"\x01\x00",
    (0x0A, 0x43): _event,
    (0x0A, 0x47): lambda _: b"\x01",
    (0x0C, 0x02): lambda _: b"\x11" + bytes(range(1, 21)),
    (0x0C, 0x22): lambda _: b"\x11\x01",
}
CODES = (0xC0, 0xC1, 0xC5, 0xC7, 0xC9, 0xCA, 0xCB, 0xD4, 0xFF, 0x80)


class LyingBMC(KeptSession):
    """Answers as `RIGHT` and `right` have it most of the time, and else, so `often`, as `chance` has it."""

    def __init__(
        self, chance: random.Random, often: float, right: Mapping[tuple[int, int], Answer] | None = None
    ) -> None:
        self._endpoint = endpoint("ipmi://192.0.2.1")
        self._lock = threading.RLock()
        self._end = None
        self._session = None
        self._chance = chance
        self._often = often
        self._right = {**RIGHT, **(right or {})}
        self.asked = 0

    @property
    def channel(self) -> int:
        return 1

    def log_in(self, login: object = None) -> Any:
        raise AccessDenied("a liar lets nobody in")

    def _once(
        self, action: str, netfn: int, command: int, data: Sequence[int], lun: int
    ) -> tuple[int, bytes]:
        self.asked += 1
        right = self._right.get((netfn, command))
        told = 0xC1 if right is None else right(data)
        if isinstance(told, int):
            return told, b""
        if self._chance.random() >= self._often:
            return 0, told
        if self._chance.random() < 0.3:
            return self._chance.choice(CODES), b""
        return 0, mangled(told, self._chance)
