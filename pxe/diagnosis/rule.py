"""What a rule of diagnosis is: a row of data, and a small question to the attempt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.diagnosis import Cause, Diagnosis, Evidence, Verdict
from pxe.milestones import Hop, Milestone, StepFault

SHOWN = 4  # of the newest sightings that speak for a rule: more would bury them


@dataclass(frozen=True)
class Match:
    """What speaks for a rule, and the words that its texts leave open."""

    seen: tuple[Milestone, ...] = ()
    words: Mapping[str, Any] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """`hops`: which of them may be missing for it to be asked; `asks` answers None where it does not fit.

    `certain`: what it looks for is no matter of waiting, so that it is told before a hop has had its time.
    """

    id: str
    hops: tuple[Hop, ...]
    asks: Callable[[Attempt], Match | None]
    summary: str
    causes: tuple[Cause, ...]
    certain: bool = False

    def tell(self, attempt: Attempt, hop: Hop, match: Match) -> Diagnosis:
        """The diagnosis, with its texts filled in."""
        words = defaultdict(lambda: "?", _known(attempt))
        words.update({key: str(value) for key, value in match.words.items() if value is not None})
        causes = tuple(Cause(c.what.format_map(words), c.do.format_map(words)) for c in self.causes)
        evidence = (*_once(match.seen), *map(Evidence, match.notes))
        return Diagnosis(self.id, Verdict.STUCK, hop, self.summary.format_map(words), evidence, causes)


def _known(attempt: Attempt) -> dict[str, str]:
    """The words of every rule."""
    seed = attempt.seed or "SEED"
    addresses = [m.address for m in attempt.milestones if m.address] or ["ADDRESS"]
    return {
        "node": attempt.node,
        "seed": seed,
        "url": f"http://{seed}:{attempt.http_port}/boot.ipxe",
        "address": addresses[-1],
    }


def _once(seen: Sequence[Milestone]) -> Iterator[Evidence]:
    """The newest of them; what was seen again is told once, with how often and when first."""
    told: dict[str, list[Evidence]] = {}
    for evidence in map(evidence_of, seen):
        told.setdefault(evidence.text, []).append(evidence)
    for text, same in list(told.items())[-SHOWN:]:
        yield Evidence(f"{text} ({len(same)} times)" if len(same) > 1 else text, same[0].at)


def evidence_of(milestone: Milestone) -> Evidence:
    """A milestone as evidence, with the MAC that it is about."""
    mac = f" ({milestone.mac})" if milestone.mac and milestone.mac not in milestone.message else ""
    return Evidence(f"{milestone.message}{mac}", milestone.at)


def found(seen: Sequence[Milestone], *notes: str, **words: Any) -> Match | None:
    """A match if anything was seen; its last milestones are the evidence, and what they know are its words.

    `said` is what the last of them says.
    """
    if not seen:
        return None
    last = seen[-1]
    known = {"mac": last.mac, "address": last.address, "said": last.message, **last.data}
    return Match(tuple(seen), known | words, notes)


def always(attempt: Attempt) -> Match:
    """For the last rule of a hop: what was seen last is the evidence."""
    return Match(attempt.milestones, {"times": len(attempt.milestones)})


def step_failed(*faults: StepFault) -> Callable[[Attempt], Match | None]:
    """Asks for a step of the run that failed with one of these."""
    return lambda attempt: found([m for m in attempt.of("step.failed") if m.data.get("fault") in faults])


def signs(*names: str) -> Callable[[Attempt], Match | None]:
    """Asks for telling lines of the serial console."""
    return lambda attempt: found(attempt.signs(names))


def kinds(*names: str) -> Callable[[Attempt], Match | None]:
    """Asks for milestones of these kinds."""
    return lambda attempt: found(attempt.of(*names))
