"""The table of the lifecycle is Ironic 39's, and a graph without dead ends."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seed_world import World

from seed.lifecycle import Lifecycle, Transition, VerbRefused, ironic_39
from seed.verbs import NOT_BUILT, STEPS, steps_for

GRAPH = ironic_39()
STATES = sorted(GRAPH.graph)
TRANSIENT = [state for state in STATES if state.endswith("ing")]
WAITS = [state for state in STATES if state.endswith(("wait", "call-back"))]
STABLE = {"enroll", "manageable", "available", "active", "rescue"}

# (source, event, target) of Ironic 39.0.0's common/states.py, sorted, one in a line: by sha256.
IRONIC_39 = "fecdd1240b4fd260a348b225963285415440d91416997bf6e6674c0b933955ce"


def test_the_table_is_that_of_ironic_39() -> None:
    assert len(STATES) == 30
    assert len(GRAPH.transitions) == 93
    assert len({(edge.source, edge.event) for edge in GRAPH.transitions}) == 93
    edges = sorted(f"{edge.source},{edge.event},{edge.target}" for edge in GRAPH.transitions)
    assert hashlib.sha256("\n".join(edges).encode()).hexdigest() == IRONIC_39


def test_the_table_is_read_whole() -> None:
    text = files("seed").joinpath("transitions.csv").read_text()
    assert len(text.splitlines()) == 94
    assert {edge.kind for edge in GRAPH.transitions} == {"verb", "internal"}


def test_every_state_can_be_reached_from_enroll() -> None:
    assert set(nx.descendants(GRAPH.graph, "enroll")) | {"enroll"} == set(STATES)


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_a_way_on(state: str) -> None:
    assert GRAPH.graph.out_degree(state) > 0
    assert "available" in nx.descendants(GRAPH.graph, state) | {state}


@pytest.mark.parametrize("state", sorted({*TRANSIENT, *WAITS}))
def test_what_is_under_way_can_fail_and_knows_where_it_goes(state: str) -> None:
    failure = GRAPH.follow(state, "fail").target
    assert failure in {"enroll", "error"} or failure.endswith("failed")
    entries = [edge for edge in GRAPH.transitions if edge.target == state]
    assert entries
    assert all(edge.return_to for edge in entries)


def test_whatever_is_destroyed_is_marked() -> None:
    into = {edge.target for edge in GRAPH.transitions if edge.destructive}
    assert into == {"cleaning", "deploying", "deleting"}
    for edge in GRAPH.transitions:
        assert edge.destructive or edge.kind == "internal" or edge.target not in into


@given(st.lists(st.integers(min_value=0, max_value=100), max_size=60))
def test_a_random_walk_never_leaves_the_graph(choices: list[int]) -> None:
    state = "enroll"
    for choice in choices:
        events = sorted(edge.event for edge in GRAPH.transitions if edge.source == state)
        event = events[choice % len(events)]
        assert GRAPH.allows(state, event)
        edge = GRAPH.follow(state, event)
        assert edge.source == state
        assert edge.target in STATES
        assert edge.return_to in {None, *STABLE}
        state = edge.target


def test_a_refusal_lists_what_is_possible() -> None:
    with pytest.raises(VerbRefused, match="not possible in state 'enroll'; possible here: manage"):
        GRAPH.follow("enroll", "deploy")
    with pytest.raises(VerbRefused, match="possible here: none"):
        GRAPH.follow("verifying", "deploy")
    with pytest.raises(VerbRefused):
        GRAPH.follow("no such state", "deploy")


def test_a_path_is_walked_edge_by_edge() -> None:
    path = GRAPH.path("enroll", "active")
    assert path[0].source == "enroll"
    assert path[-1].target == "active"
    assert all(one.target == two.source for one, two in pairwise(path))
    with pytest.raises(VerbRefused, match="no way"):
        GRAPH.path("enroll", "nowhere")


def test_a_table_that_contradicts_itself_is_refused() -> None:
    edge = Transition("a", "go", "b", None, "verb", "enrol", False)
    other = Transition("a", "go", "c", None, "verb", "enrol", False)
    with pytest.raises(ValueError, match="one state by the same event"):
        Lifecycle((edge, other))


def test_every_verb_is_built_or_said_not_to_be() -> None:
    for edge in GRAPH.transitions:
        if edge.kind == "verb" and edge.target in TRANSIENT:
            assert edge.event in NOT_BUILT or STEPS[edge.target]


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        ("adopt", "manageable"),
        ("clean", "manageable"),
        ("rescue", "active"),
        ("service", "active"),
        ("unrescue", "rescue"),
        ("unhold", "deploy hold"),
    ],
)
def test_a_verb_that_is_not_built_refuses_and_changes_nothing(world: World, verb: str, state: str) -> None:
    with pytest.raises(VerbRefused, match="not built yet"):
        steps_for(GRAPH.follow(state, verb))
    world.at(state)
    before, events = world.node(), world.events()
    answer = world.ask(verb)
    assert answer.status_code == 409
    assert "not built yet" in answer.json()["detail"]
    assert world.node() == before
    assert world.events() == events
    assert world.runs() == []
