"""How many requests a second one BMC bears: some more after each answer, half as many when it is too much."""

from __future__ import annotations

# Requests a second. A BMC answers one at a time, in 10 to 100 ms where it is well, so the start is what it
# does anyway; a slow one (an iDRAC 8 has been seen to think for 20 s) soon has less.
SLOWEST, START, FASTEST = 0.5, 20.0, 200.0
_MORE = 0.5  # after each answer
_LESS = 0.5  # times, after each sign of overload
_AT_ONCE = 10  # what may be asked without a pause after a rest: a log-in has five packets


class Rate:
    """Additive increase, multiplicative decrease; `reserve` gives every request its turn."""

    __slots__ = ("_next", "per_second")

    def __init__(self, per_second: float = START) -> None:
        self.per_second = min(max(per_second, SLOWEST), FASTEST)
        self._next = 0.0

    def reserve(self, now: float, longest: float) -> float | None:
        """How many seconds until it is this request's turn; None: more than `longest`, and none was taken."""
        turn = max(self._next, now - _AT_ONCE / self.per_second)
        if turn - now > longest:
            return None
        self._next = turn + 1 / self.per_second
        return max(0.0, turn - now)

    def answered(self) -> None:
        self.per_second = min(FASTEST, self.per_second + _MORE)

    def overloaded(self, now: float) -> None:
        """The next one waits its whole turn."""
        self.per_second = max(SLOWEST, self.per_second * _LESS)
        self._next = max(self._next, now + 1 / self.per_second)
