"""The cycle that is measured, the same for each side: manage, clean, deploy, undeploy with clean."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from processes import Usage, machine_cpu, own_cpu

CYCLE = (("manage", "manageable"), ("provide", "available"), ("deploy", "active"), ("delete", "available"))
POLL = 0.25  # seconds between two lists of the nodes
STALL = 120.0  # seconds without any node moving


class WentWrong(RuntimeError):
    """A node failed, or nothing moves any more."""


class Side(Protocol):
    """A provisioner with its nodes enrolled, as its clients reach it."""

    name: str
    nodes: int

    def ask(self, verb: str) -> None:
        """Ask `verb` of every node; returns when all requests were taken."""

    def states(self) -> Iterable[str]:
        """The provision state of every node."""

    def usage(self) -> Usage:
        """Of all of its processes."""


@dataclass(frozen=True)
class Measured:
    """One cycle of one side: wall seconds; CPU seconds of the side, the client and all others; MB."""

    side: str
    nodes: int
    seconds: float
    phases: dict[str, float]
    cpu: float
    client_cpu: float
    others_cpu: float
    peak_rss: float
    pss: float
    load: float

    @property
    def rate(self) -> float:
        """Nodes per second through all four state changes."""
        return self.nodes / self.seconds

    @property
    def cpu_per_node(self) -> float:
        """Milliseconds: what a busy machine changes least."""
        return 1000 * self.cpu / self.nodes


def walk(side: Side) -> Measured:
    """Take all nodes through the cycle, a barrier after each phase; raises WentWrong."""
    before, machine, client = side.usage().cpu, machine_cpu(), own_cpu()
    phases: dict[str, float] = {}
    for verb, state in CYCLE:
        began = time.monotonic()
        side.ask(verb)
        wait_for(side, state)
        phases[verb] = round(time.monotonic() - began, 3)
    after, client = side.usage(), own_cpu() - client
    cpu = after.cpu - before
    return Measured(
        side.name,
        side.nodes,
        round(sum(phases.values()), 3),
        phases,
        round(cpu, 2),
        round(client, 2),
        round(max(0.0, machine_cpu() - machine - cpu - client), 2),
        round(after.peak_rss, 1),
        round(after.pss, 1),
        round(os.getloadavg()[0], 2),
    )


def wait_for(side: Side, state: str) -> None:
    """Look every 0.25 s until all nodes are in `state`."""
    last, moved = Counter[str](), time.monotonic()
    while (counts := Counter(side.states())) != {state: side.nodes}:
        if failed := [name for name in counts if name.endswith("failed") or name == "error"]:
            raise WentWrong(
                f"{side.name}: {counts[failed[0]]} nodes are '{failed[0]}' on the way to '{state}'"
            )
        if counts != last:
            last, moved = counts, time.monotonic()
        elif time.monotonic() - moved > STALL:
            raise WentWrong(f"{side.name}: nothing moves towards '{state}': {dict(counts)}")
        time.sleep(POLL)
