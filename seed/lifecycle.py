"""The lifecycle graph: Ironic 39's provision states and transitions, by name, as one table of data.

The table is `transitions.csv`: source, event, target, return_to, kind, phase, destructive. A verb is an
event that an operator may send; an internal event is what the conductor says while it walks.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from itertools import pairwise

import networkx as nx

# Verbs of the graph that this release refuses.
NOT_BUILT = frozenset({"adopt", "clean", "hold", "rescue", "service", "unhold", "unrescue"})


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
        """What an operator can ask of a node in `state`, in this release."""
        offered = (edge for edge in self.transitions if edge.source == state and edge.kind == "verb")
        return tuple(edge.event for edge in offered if edge.event not in NOT_BUILT)

    def path(self, source: str, target: str) -> tuple[Transition, ...]:
        """The shortest way from one state to another; raises VerbRefused where there is none."""
        try:
            states = nx.shortest_path(self.graph, source, target)
        except (nx.NetworkXNoPath, nx.NodeNotFound) as error:
            raise VerbRefused(f"there is no way from '{source}' to '{target}'") from error
        hops = pairwise(states)
        return tuple(next(iter(self.graph[a][b].values()))["transition"] for a, b in hops)


def ironic_39() -> Lifecycle:
    """The transitions of Ironic 39.0.0, checked against its `common/states.py`."""
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
    )
