"""How fast one BMC may be asked: drivers obey a pace and tell it how each request went."""

from __future__ import annotations

from typing import Protocol


class Pace(Protocol):
    """One BMC's pace: `wait` comes before each packet exchange or HTTP request, one of the others after it.

    Refusals in words (wrong password, unsupported, not found) are answers: the BMC is well.
    """

    def wait(self) -> None:
        """Sleep until it may be asked; raises `BMCError` when it is to be left alone for now."""

    def answered(self, seconds: float) -> None:
        """It answered within `seconds`."""

    def overloaded(self, seconds: float, seen: str) -> None:
        """It asked to be left alone (503, session table full, node busy), or was silent for `seconds`."""


class Unpaced:
    """For one look at one BMC: nothing to learn, nobody else to wait for."""

    def wait(self) -> None:
        return None

    def answered(self, seconds: float) -> None:
        return None

    def overloaded(self, seconds: float, seen: str) -> None:
        return None


UNPACED = Unpaced()
