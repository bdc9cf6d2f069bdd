"""An attempt, hop by hop: when each was reached, how long it took, and what is usual."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pxe.diagnosis.attempt import ORDER, Attempt, Usual
from pxe.milestones import KINDS, Hop


class Standing(StrEnum):
    """How a hop stands: `passed` unseen where a later one was seen."""

    SEEN = "seen"
    PASSED = "passed"
    MISSING = "missing"
    AHEAD = "ahead"


@dataclass(frozen=True)
class Line:
    """One hop; `seconds` since the last hop that was seen before it, or, of a missing one, until now.

    `seen` is what proved it first; DHCP and loaders come again with each stage: `times` counts.
    """

    hop: Hop
    standing: Standing
    at: datetime | None
    seconds: float | None
    usual: Usual | None
    seen: str
    times: int


def timeline(attempt: Attempt) -> tuple[Line, ...]:
    """The hops of its way up to the one expected last, and those that it went beyond."""
    return tuple(_lines(attempt)) if attempt.milestones else ()


def _lines(attempt: Attempt) -> Iterator[Line]:
    reached = ORDER[attempt.reached] if attempt.reached else -1
    before: datetime | None = None
    for hop in attempt.all_hops:
        usual, first = attempt.usual.get(hop), attempt.first.get(hop)
        if first is not None:
            told = [m for m in attempt.milestones if KINDS.get(m.kind) is hop]
            yield Line(
                hop, Standing.SEEN, first.at, _between(before, first.at), usual, first.message, len(told)
            )
            before = first.at or before
        elif ORDER[hop] < reached:
            yield Line(hop, Standing.PASSED, None, None, usual, "", 0)
        elif hop in attempt.hops:
            missing = hop is attempt.missing
            waited = _between(before, attempt.now) if missing else None
            standing = Standing.MISSING if missing else Standing.AHEAD
            yield Line(hop, standing, None, waited, usual, "", 0)


def _between(before: datetime | None, at: datetime | None) -> float | None:
    return max(0.0, (at - before).total_seconds()) if before and at else None
