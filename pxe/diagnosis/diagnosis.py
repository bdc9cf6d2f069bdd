"""What is said of an attempt: the hop that failed, the evidence, the causes and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pxe.milestones import Hop


class Verdict(StrEnum):
    """Whether anything is wrong."""

    UP = "up"
    UNDER_WAY = "under way"
    STUCK = "stuck"


@dataclass(frozen=True)
class Evidence:
    """One thing that was seen, or was not (then `at` is None)."""

    text: str
    at: datetime | None = None

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} UTC {self.text}" if self.at else self.text


@dataclass(frozen=True)
class Cause:
    """What may have happened, and what to do at the rack or at the keyboard."""

    what: str
    do: str


@dataclass(frozen=True)
class Diagnosis:
    """`hop` is the first that is missing; of a machine that is up, the last it reached.

    `id` is a stable name, such as "dhcp.foreign"; `causes` stand in order of likelihood.
    """

    id: str
    verdict: Verdict
    hop: Hop
    summary: str
    evidence: tuple[Evidence, ...] = ()
    causes: tuple[Cause, ...] = ()
