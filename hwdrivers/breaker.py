"""A circuit breaker: who failed again and again is left alone for a while, then tried by one caller."""

from __future__ import annotations

AFTER = 4  # failures in a row
FIRST, LONGEST = 4.0, 240.0  # seconds that it is left alone; each time twice as long
_TRIAL = 180.0  # seconds after which whoever tries is taken to be lost


class Breaker:
    """Closed: all may ask. Open until `until`: nobody. Then one tries, and its answer decides."""

    __slots__ = ("_opened", "_row", "_trying_until", "since", "until", "why")

    def __init__(self) -> None:
        self.since = 0.0  # when the first of the row failed
        self.why = ""
        self._close()

    def _close(self) -> None:
        self._row = self._opened = 0
        self._trying_until = 0.0
        self.until: float | None = None

    @property
    def is_open(self) -> bool:
        return self.until is not None

    @property
    def row(self) -> int:
        """Failures since the last answer."""
        return self._row

    def enter(self, now: float) -> bool:
        """Whether a caller may ask; the first one after `until` is the one that tries."""
        if self.until is None:
            return True
        if now < max(self.until, self._trying_until):
            return False
        self._trying_until = now + _TRIAL
        return True

    def stays(self, now: float) -> bool:
        """Whether a caller that was let in may go on asking."""
        return self.until is None or now >= self.until

    def failed(self, why: str, now: float) -> None:
        """Silence, a refused connection, or a BMC that asks to be left alone."""
        self._row += 1
        if self._row == 1:
            self.since = now
        self.why = why
        if self._row < AFTER or (self.until is not None and now < self.until):
            return  # or somebody was asking already when it was opened
        self._opened += 1
        self._trying_until = 0.0
        self.until = now + min(FIRST * 2.0 ** (self._opened - 1), LONGEST)

    def answered(self) -> None:
        """All is well."""
        if self._row:
            self._close()
