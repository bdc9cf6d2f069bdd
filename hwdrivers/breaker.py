"""A circuit breaker: who failed again and again is left alone for a while, then tried by one caller."""

from __future__ import annotations

AFTER = 4  # failures in a row: of calls, or of requests within them
FIRST, LONGEST = 4.0, 240.0  # seconds that it is left alone; each time twice as long
_TRIAL = 180.0  # seconds after which whoever tries is taken to be lost


class Breaker:
    """Closed: all may ask. Open until `until`: nobody. Then one tries, and its answer decides.

    A service that answers the first question of each call, and not what the call is about, is not well.
    """

    __slots__ = ("_calls", "_opened", "_requests", "_trying_until", "since", "until", "why")

    def __init__(self) -> None:
        self.since = 0.0  # when the first of the row failed
        self.why = ""
        self._close()

    def _close(self) -> None:
        self._calls = self._requests = self._opened = 0
        self._trying_until = 0.0
        self.until: float | None = None

    @property
    def is_open(self) -> bool:
        return self.until is not None

    @property
    def row(self) -> int:
        """Failures since the last call that went well."""
        return max(self._calls, self._requests)

    def enter(self, now: float) -> bool:
        """Whether a caller may ask; the first one after `until` is the one that tries."""
        if self.until is None:
            return True
        if now < max(self.until, self._trying_until):
            return False
        self._trying_until = now + _TRIAL
        return True

    def leave(self) -> None:
        """Whoever entered learnt nothing: another one may try."""
        self._trying_until = 0.0

    def stays(self, now: float) -> bool:
        """Whether a caller that was let in may go on asking."""
        return self.until is None or now >= self.until

    def request_failed(self, why: str, now: float) -> None:
        """Silence, a refused connection, or a BMC that asks to be left alone."""
        self._note(why, now)
        self._requests += 1
        if self._requests >= AFTER and self.until is None:
            self._open(now)

    def request_answered(self) -> None:
        self._requests = 0

    def call_failed(self, why: str, now: float) -> None:
        """For one of these reasons."""
        self._note(why, now)
        self._calls += 1
        if self.until is None and self._calls < AFTER:
            return
        if self.until is None or now >= self.until:  # else somebody was asking already when it was opened
            self._open(now)

    def call_answered(self) -> None:
        """All is well."""
        if self._calls or self._requests:
            self._close()

    def _note(self, why: str, now: float) -> None:
        if not self.row:
            self.since = now
        self.why = why

    def _open(self, now: float) -> None:
        self._opened += 1
        self._trying_until = 0.0
        self.until = now + min(FIRST * 2.0 ** (self._opened - 1), LONGEST)
