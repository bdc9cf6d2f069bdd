"""Growing pauses between attempts that go wrong again and again, for each node by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Pause:
    """How often it went wrong in a row, and when to try again."""

    count: int
    until: datetime


class Pauses:
    """Kept in memory alone: whoever starts anew tries at once."""

    def __init__(self, first: timedelta, longest: timedelta, clock: Callable[[], datetime]) -> None:
        """The first time is followed by a pause of `first`, the next by twice that."""
        self._first = first
        self._longest = longest
        self._clock = clock
        self._pauses: dict[str, Pause] = {}

    def add(self, node: str) -> None:
        """It went wrong again."""
        count = self._pauses[node].count + 1 if node in self._pauses else 1
        doubled = self._first * 2 ** min(count - 1, 20)
        self._pauses[node] = Pause(count, self._clock() + min(doubled, self._longest))

    def over(self, node: str) -> bool:
        """Whether it is time to try again."""
        return node not in self._pauses or self._pauses[node].until <= self._clock()

    def end(self, node: str) -> None:
        """It went well, or something has changed."""
        self._pauses.pop(node, None)
