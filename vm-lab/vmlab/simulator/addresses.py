"""IPv4 addresses as operators write them: `127.64.0.10`, `127.64.0.10-20`, `127.64.1.0/24` or several."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from vmlab.errors import LabError


@dataclass(frozen=True)
class Addresses:
    """Ranges of addresses, each from its first to its last, both included."""

    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: str) -> Addresses:
        return cls(tuple(_range(part.strip()) for part in text.split(",")))

    def __contains__(self, address: int) -> bool:
        return any(first <= address <= last for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges:
            yield from range(first, last + 1)


EVERYWHERE = Addresses(((0, 0xFFFFFFFF),))


def _range(text: str) -> tuple[int, int]:
    try:
        if "/" in text:
            network = IPv4Network(text, strict=False)
            return int(network.network_address), int(network.broadcast_address)
        first, dash, last = text.partition("-")
        low = int(IPv4Address(first))
        if not dash:
            return low, low
        high = int(IPv4Address(last if "." in last else f"{first.rpartition('.')[0]}.{last}"))
    except ValueError:
        high, low = 0, 1
    if high < low:
        raise LabError(
            f"{text!r} is no address range", do="Write 127.64.0.1, 127.64.0.1-20 or 127.64.1.0/24."
        )
    return low, high


def members(block: str, count: int | None, scattered: random.Random | None) -> Sequence[int]:
    """The `count` addresses of `block` (None: all) where BMCs are: from its start on, or scattered.

    The network's own and its broadcast address stay free, as on a real network.
    """
    (first, last) = _range(block)
    usable = range(first + 1, last) if last - first > 1 else range(first, last + 1)
    if count is None or count == len(usable):
        return usable
    if not 0 < count <= len(usable):
        raise LabError(f"{block} holds {len(usable)} BMCs, not {count}", do="Give a larger --block.")
    return sorted(scattered.sample(usable, count)) if scattered else usable[:count]


def packed(address: str) -> int:
    """As a number; the address of one BMC."""
    low, high = _range(address)
    if low != high:
        raise LabError(f"{address!r} is not one address")
    return low


def text(address: int) -> str:
    return str(IPv4Address(address))
