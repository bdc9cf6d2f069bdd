"""What can go wrong with a BMC. Every error answers one question: try again or not?"""

from __future__ import annotations

from typing import ClassVar, Self

from hwdrivers.address import BMCAddress


class BMCError(Exception):
    """A BMC did not do as asked. The message names the BMC, the action, what was seen and what to try."""

    retryable_by_default: ClassVar[bool] = False
    attempts: ClassVar[int] = 4  # in all, where trying again can help

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.retryable = self.retryable_by_default if retryable is None else retryable

    @classmethod
    def at(
        cls, address: BMCAddress, action: str, seen: str, advice: str, *, retryable: bool | None = None
    ) -> Self:
        """Word the message the same way everywhere: `cannot <action>: <seen>; <advice>`."""
        return cls(f"{address}: cannot {action}: {seen}; {advice}", retryable=retryable)


class AccessDenied(BMCError):
    """Wrong user, password or privilege. Tried once: BMCs lock accounts after a few wrong passwords."""


class LogInRefused(AccessDenied):
    """This user and password were refused; the same are not sent to this BMC again."""


class Unreachable(BMCError):
    """Nothing answers at this address; a BMC that restarts comes back after a minute or two."""

    retryable_by_default = True
    attempts = 6


class BMCTimeout(BMCError):
    """It answered before, or took the request, and then was silent for too long."""

    retryable_by_default = True


class Busy(BMCError):
    """It asks to be left alone for now: no free session, 503, node busy."""

    retryable_by_default = True
    attempts = 8


class LeftAlone(BMCError):
    """Nobody asks it for now, since it failed again and again; it says since when, why, and when it is tried.

    Whoever tries so often, with the conductor's pauses, tries for longer than any BMC is left alone.
    """

    retryable_by_default = True
    attempts = 13


class Unsupported(BMCError):
    """This BMC cannot do that; asking again changes nothing."""


class InvalidParameterValue(BMCError):
    """What was asked for cannot be there; it was found here, and the BMC was not asked to do it."""


class ProtocolError(BMCError):
    """It answered something that the standard does not allow or that we do not understand."""


class SeveralSystems(BMCError):
    """One Redfish service stands for several machines; `choices` are their addresses, with their paths."""

    choices: tuple[BMCAddress, ...] = ()
