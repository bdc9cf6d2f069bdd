"""What campaigns found, in a few lines for the terminal and as a page for docs/."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from chaos_campaign import Outcome

SHOWN = 12  # of the things that are wrong

INTRODUCTION = """\
# Chaos: SIGKILL of the seed

Written by `tests/run chaos`; not edited by hand.

Seeds are real processes with a real store and both HTTP faces, put together as the product is, without
dnsmasq and the power sync. The machines live in another process and outlive the seeds: each has a BMC, disks
and an agent that remember what was done to them, and by itself it boots, calls the seed, and calls again when
that got lost. An operator asks for verbs; when an answer got lost it looks before it asks again.

- **step boundaries**: one machine at a time. For each verb of the graph that takes steps, the seed kills
  itself at the first place of a walk, in another walk at the second, and so on until no walk has more places.
  A place is before each commit, and before each act on a machine: power, boot device, a command to the agent.
- **random kills**: a fleet that is driven without a pause; kills at any moment, also while a seed starts.
  Some calls to BMCs and agents time out on top, before or after they did what they should.
- **two seeds on PostgreSQL**: the same with two seeds that share the fleet, either of which is killed; some
  stay away until their leases, of 5 s here, have run out, and the other goes on with what they were walking.
"""

PROMISES = """\
| promise | how it is checked |
| --- | --- |
| stuck | every run has an end; none keeps a lease or a slot |
| failed | no `step.failed`, `run.failed` or `run.aborted` at all |
| destroyed twice | for each step of a run the agent was given one command; the disk written is that whose \
serial was journaled, once; each system that was written had one first boot |
| destroyed without a word | when the command arrives, the store has the `destructive` entry of that run |
| events lost | who reads `events after N` across all seeds has each stored event once, unchanged, in order |
| states lost | each node's state is the replay of its state events, each an edge of the graph |
| steps lost | the steps that a run completed are its steps, in order |
| requests lost | each run that was accepted with an answer exists |
| two at once | a node's runs follow one another, each with one end |
| over the limit | no more images are written at once than the configuration allows |
| refused, astray | no request is refused; each walk leads where the graph says, in one run |
"""


def summary(outcome: Outcome) -> str:
    """For the terminal."""
    lines = [
        f"{'good' if outcome.good else 'WRONG'}: {outcome.name}: {outcome.kills} kills, {outcome.runs} runs, "
        f"{outcome.steps} steps, {sum(outcome.resumed.values())} steps gone on with, {outcome.seconds:.0f} s"
    ]
    for promise, found in outcome.wrong.items():
        if found:
            lines += [f"  {promise}: {len(found)}", *(f"    {each}" for each in found[:SHOWN])]
    return "\n".join(lines)


def report(outcomes: Sequence[Outcome], seed: int) -> str:
    """As Markdown."""
    parts = [INTRODUCTION, *_circumstances(seed)]
    parts += ["## What went wrong\n", _table("promise", outcomes, _wrong(outcomes)), PROMISES]
    parts += ["## What was done\n", _table("", outcomes, _done(outcomes))]
    parts += ["## Steps that a killed seed left, and the next one went on with\n", *_resumed(outcomes)]
    parts += [part for outcome in outcomes if outcome.places for part in _places(outcome)]
    return "\n".join(parts)


def _circumstances(seed: int) -> Iterator[str]:
    commit = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    yield (
        f"`tests/run chaos --seed {seed}`, commit {commit or 'unknown'}, {datetime.now(UTC):%Y-%m-%d}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[2]:.1f}.\n"
    )


def _wrong(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, list[str]]]:
    for promise in dict.fromkeys(promise for outcome in outcomes for promise in outcome.wrong):
        yield promise, [str(len(o.wrong[promise])) if promise in o.wrong else "" for o in outcomes]


def _done(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, list[str]]]:
    rows: dict[str, Callable[[Outcome], object]] = {
        "SIGKILLs": lambda o: o.kills,
        "seeds at once": lambda o: o.seeds,
        "machines": lambda o: o.machines,
        "runs": lambda o: o.runs,
        "of which": lambda o: _counted(o.verbs),
        "steps completed": lambda o: o.steps,
        "steps gone on with": lambda o: sum(o.resumed.values()),
        "of them by another seed": lambda o: o.taken_over,
        "given to agents": lambda o: _counted(o.destroyed),
        "events": lambda o: o.events,
        "requests without an answer": lambda o: o.lost,
        "calls that timed out": lambda o: _counted(o.faults),
        "seconds": lambda o: f"{o.seconds:.0f}",
    }
    for name, value in rows.items():
        yield name, [str(value(outcome)) for outcome in outcomes]


def _resumed(outcomes: Sequence[Outcome]) -> Iterator[str]:
    names = Counter[str]()
    for outcome in outcomes:
        names.update(outcome.resumed)
    rows = ((name, [str(outcome.resumed[name]) for outcome in outcomes]) for name, _ in names.most_common())
    yield _table("step", outcomes, rows)


def _places(outcome: Outcome) -> Iterator[str]:
    yield f"## {outcome.name}: where the seed was killed\n"
    yield "| verb | places | at which steps |\n| --- | --- | --- |"
    for verb, places in outcome.places.items():
        steps = Counter(place.rpartition(": ")[0] for place in places)
        yield f"| {verb} | {len(places)} | {_counted(steps)} |"
    yield ""


def _table(first: str, outcomes: Sequence[Outcome], rows: Iterable[tuple[str, list[str]]]) -> str:
    head = f"| {first} | {' | '.join(outcome.name for outcome in outcomes)} |"
    lines = [head, f"| --- |{' --- |' * len(outcomes)}"]
    lines += [f"| {name} | {' | '.join(values)} |" for name, values in rows]
    return "\n".join([*lines, ""])


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {times}" for name, times in counts.most_common()) or "none"
