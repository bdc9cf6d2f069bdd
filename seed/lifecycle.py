"""The lifecycle graph, one table of data: Ironic 39's states and transitions by name, and four states more.

The table is `transitions.csv`: source, event, target, return_to, kind, phase, destructive, origin. A verb is
an event that an operator may send; an internal event is what the conductor says while it walks. No event is
named after a timeout: a step that takes too long has failed, so a timeout takes the edge `fail`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from itertools import pairwise

import networkx as nx

ENROLL = "enroll"  # the beginning: nothing was asked of such a machine yet
DECOMMISSIONED = "decommissioned"  # the end: DHCP and the boot server do not know such a machine

PHASES = ("enrol", "provision", "maintain", "decommission")

# Verbs that no path takes: `adopt` says that a machine runs its host already, which only a person can know.
CLAIMS = frozenset({"adopt"})

# The internal events of a walk that goes well; the others are fail, wait and hold.
ONWARD = frozenset({"clean", "done", "manage", "resume"})


class VerbRefused(ValueError):
    """An event that the graph does not have in this state."""


@dataclass(frozen=True)
class Transition:
    """One edge of the graph; `return_to` is the stable state that a transient target is on its way to."""

    source: str
    event: str
    target: str
    return_to: str | None
    kind: str
    phase: str
    destructive: bool
    origin: str
    """Who has this edge: `ironic`, or `undercloud` alone."""


def one_hop(_: Transition) -> float:
    """What a transition costs as long as nobody knows better."""
    return 1.0


class Lifecycle:
    """The graph of provision states; it only answers, `seed.advance` alone moves nodes."""

    def __init__(self, transitions: tuple[Transition, ...]) -> None:
        self.transitions = transitions
        self._by_source = {(edge.source, edge.event): edge for edge in transitions}
        if len(self._by_source) != len(transitions):
            raise ValueError("two transitions leave one state by the same event")

    @cached_property
    def graph(self) -> nx.MultiDiGraph[str]:
        """The same table for path finding and drawing; edges are keyed by event."""
        graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        for edge in self.transitions:
            graph.add_edge(edge.source, edge.target, key=edge.event, transition=edge)
        return graph

    @cached_property
    def transient(self) -> frozenset[str]:
        """Where the conductor is at work, or waits for the machine: it goes on by itself."""
        return frozenset(edge.source for edge in self._internal if edge.event in ONWARD)

    @cached_property
    def held(self) -> frozenset[str]:
        """Where a walk stands until an operator lets it go on; no time runs out there."""
        return frozenset(edge.target for edge in self._internal if edge.event == "hold")

    @cached_property
    def failed(self) -> frozenset[str]:
        """Where a walk ends that failed, was given up, or ran out of time."""
        return frozenset(edge.target for edge in self._internal if edge.event == "fail") - {self.initial}

    @cached_property
    def stable(self) -> frozenset[str]:
        """Where a node may stay for years."""
        return frozenset(self.graph) - self.transient - self.held - self.failed

    @cached_property
    def initial(self) -> str:
        """Where every node begins: the one resting state from which all others can be reached."""
        resting = (state for state in self.graph if state not in self.transient)
        return next(s for s in resting if len(nx.descendants(self.graph, s) | {s}) == len(self.graph))

    @cached_property
    def terminal(self) -> frozenset[str]:
        """States that no transition leaves."""
        return frozenset(state for state in self.graph if not self.graph.out_degree(state))

    @cached_property
    def phases(self) -> dict[str, tuple[str, ...]]:
        """The states of each phase, in the table's order; a state is of the phase of what leads there."""
        phase = {edge.target: edge.phase for edge in self.transitions}
        states = dict.fromkeys([*(edge.source for edge in self.transitions), *phase])
        return {name: tuple(state for state in states if phase[state] == name) for name in PHASES}

    def follow(self, state: str, event: str) -> Transition:
        """The edge that `event` takes from `state`; raises VerbRefused listing what is allowed."""
        edge = self._by_source.get((state, event))
        if edge is None:
            allowed = ", ".join(self.verbs(state)) or "none"
            raise VerbRefused(f"'{event}' is not possible in state '{state}'; possible here: {allowed}")
        return edge

    def allows(self, state: str, event: str) -> bool:
        """Whether `event` leaves `state`."""
        return (state, event) in self._by_source

    def verbs(self, state: str) -> tuple[str, ...]:
        """What an operator can ask of a node in `state`."""
        return self._verbs.get(state, ())

    @cached_property
    def _verbs(self) -> dict[str, tuple[str, ...]]:
        offered: dict[str, tuple[str, ...]] = {}
        for edge in self._offered:
            offered[edge.source] = (*offered.get(edge.source, ()), edge.event)
        return offered

    def landing(self, edge: Transition) -> str:
        """Where a node rests after `edge` if all goes well."""
        return edge.return_to or edge.target if edge.target in self.transient else edge.target

    def onward(self, state: str, target: str) -> tuple[Transition, ...]:
        """The internal edges that still lead from a transient state to `target`; () where there are none."""
        ways: nx.DiGraph[str] = nx.DiGraph()
        ways.add_nodes_from(self.graph)
        for edge in self._internal:
            if edge.event in ONWARD:
                ways.add_edge(edge.source, edge.target, transition=edge)
        return _cheapest(ways, state, target) or ()

    def path(
        self, source: str, target: str, cost: Callable[[Transition], float] = one_hop
    ) -> tuple[Transition, ...]:
        """The verbs that bring a node from one state to another, each ending at its `landing`.

        A verb that destroys is taken only where no way is without; among those, `cost` (not negative) tells
        which is cheapest. It counts on success: no edge to a failed or held state is part of it. Raises
        VerbRefused where this release knows no way.
        """
        walkable = [edge for edge in self._offered if edge.event not in CLAIMS]
        loss = 1 + sum(map(cost, walkable))  # dearer than any way without loss
        ways: nx.DiGraph[str] = nx.DiGraph()
        ways.add_nodes_from(self.graph)
        for edge in walkable:
            landing, weight = self.landing(edge), cost(edge) + loss * edge.destructive
            known = ways.get_edge_data(edge.source, landing)
            if landing in self.stable and (known is None or weight < known["weight"]):
                ways.add_edge(edge.source, landing, weight=weight, transition=edge)
        found = _cheapest(ways, source, target)
        if found is None:
            raise VerbRefused(f"there is no way from '{source}' to '{target}' in this release")
        return found

    @cached_property
    def _internal(self) -> tuple[Transition, ...]:
        return tuple(edge for edge in self.transitions if edge.kind == "internal")

    @cached_property
    def _offered(self) -> tuple[Transition, ...]:
        return tuple(edge for edge in self.transitions if edge.kind == "verb")


def _cheapest(ways: nx.DiGraph[str], source: str, target: str) -> tuple[Transition, ...] | None:
    try:
        states = nx.shortest_path(ways, source, target, weight="weight")
    except (nx.NetworkXNoPath, nx.NodeNotFound):
        return None
    return tuple(ways.edges[hop]["transition"] for hop in pairwise(states))


def ironic_39() -> Lifecycle:
    """Ironic 39.0.0's transitions, checked against its `common/states.py`, and ours beside them."""
    text = files("seed").joinpath("transitions.csv").read_text()
    return Lifecycle(tuple(_transition(row) for row in csv.DictReader(text.splitlines())))


def _transition(row: dict[str, str]) -> Transition:
    return Transition(
        source=row["source"],
        event=row["event"],
        target=row["target"],
        return_to=row["return_to"] or None,
        kind=row["kind"],
        phase=row["phase"],
        destructive=row["destructive"] == "yes",
        origin=row["origin"],
    )
