"""How long answers take: a sketch of a few dozen numbers, whatever was measured."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable

_FIRST = 0.0001  # seconds; what is faster counts as this
_GROWTH = 1.5  # from bucket to bucket, so that a quantile is right to a fifth
_BUCKETS = 34  # up to 60 s
_ENOUGH = 4096  # then all counts are halved: what a BMC did long ago counts less and less


class Latency:
    """Count, mean and quantiles in seconds."""

    __slots__ = ("_buckets", "_sum", "count")

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0.0
        self._buckets = array("I", bytes(4 * _BUCKETS))

    def add(self, seconds: float) -> None:
        """One answer took so long."""
        if self.count >= _ENOUGH:
            self._buckets = array("I", (n // 2 for n in self._buckets))
            self._sum *= sum(self._buckets) / self.count
            self.count = sum(self._buckets)
        self.count += 1
        self._sum += seconds
        place = math.log(max(seconds, _FIRST) / _FIRST, _GROWTH)
        self._buckets[min(int(place), _BUCKETS - 1)] += 1

    def merge(self, other: Latency) -> None:
        """Add what another one has seen."""
        self.count += other.count
        self._sum += other._sum
        self._buckets = array("I", map(sum, zip(self._buckets, other._buckets, strict=True)))

    @property
    def mean(self) -> float | None:
        return self._sum / self.count if self.count else None

    def quantile(self, share: float) -> float | None:
        """What `share` of the answers were not slower than; None where there are none."""
        left = share * self.count
        for place, number in enumerate(self._buckets):
            left -= number
            if number and left <= 0:
                return float(_FIRST * _GROWTH ** (place + 0.5))
        return None

    def document(self) -> list[float]:
        """As JSON takes it: the sum, then the buckets without the empty ones at the end."""
        used = max((place + 1 for place, number in enumerate(self._buckets) if number), default=0)
        return [round(self._sum, 6), *self._buckets[:used]]

    @classmethod
    def of(cls, document: Iterable[float]) -> Latency:
        """What `document` wrote."""
        made = cls()
        made._sum, *counts = document
        for place, number in enumerate(counts[:_BUCKETS]):
            made._buckets[place] = int(number)
        made.count = sum(made._buckets)
        return made
