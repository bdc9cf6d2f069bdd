"""The lifecycle is Ironic 39's table and four states of ours, without dead ends; its paths can be walked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.resources import files
from random import Random

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seed.lifecycle import CLAIMS, ONWARD, PHASES, Lifecycle, Transition, VerbRefused, ironic_39, one_hop
from seed.verbs import STEPS

GRAPH = ironic_39()
STATES = sorted(GRAPH.graph)
OURS = {"testing", "test failed", "decommissioning", "decommissioned"}
VERBS = [edge for edge in GRAPH.transitions if edge.kind == "verb"]
INTERNAL = [edge for edge in GRAPH.transitions if edge.kind == "internal"]

# (source, event, target) of Ironic 39.0.0's common/states.py, sorted, one in a line: by sha256.
IRONIC_39 = "fecdd1240b4fd260a348b225963285415440d91416997bf6e6674c0b933955ce"


def test_ironics_part_of_the_table_is_that_of_ironic_39() -> None:
    theirs = [edge for edge in GRAPH.transitions if edge.origin == "ironic"]
    assert len(theirs) == 93
    edges = sorted(f"{edge.source},{edge.event},{edge.target}" for edge in theirs)
    assert hashlib.sha256("\n".join(edges).encode()).hexdigest() == IRONIC_39
    assert len(STATES) == 34
    assert {state for edge in theirs for state in (edge.source, edge.target)} == {*STATES} - OURS


def test_what_is_ours_touches_only_our_states() -> None:
    """Whoever walks Ironic's edges alone never notices that there are more."""
    for edge in GRAPH.transitions:
        if edge.origin != "ironic":
            assert edge.origin == "undercloud"
            assert {edge.source, edge.target} & OURS


def test_the_table_is_read_whole() -> None:
    text = files("seed").joinpath("transitions.csv").read_text()
    assert len(text.splitlines()) == len(GRAPH.transitions) + 1
    assert {edge.kind for edge in GRAPH.transitions} == {"verb", "internal"}
    for edge in GRAPH.transitions:
        assert f"{edge.source},{edge.event},{edge.target},{edge.return_to or ''},{edge.kind}," in text


def test_an_event_leaves_a_state_one_way() -> None:
    assert len({(edge.source, edge.event) for edge in GRAPH.transitions}) == len(GRAPH.transitions)


def test_a_state_belongs_to_one_phase() -> None:
    phases = {(edge.target, edge.phase) for edge in GRAPH.transitions}
    assert sorted(target for target, _ in phases) == STATES
    assert sorted(state for states in GRAPH.phases.values() for state in states) == STATES
    assert {phase for _, phase in phases} == set(PHASES) == GRAPH.phases.keys()


def test_every_state_can_be_reached_and_is_of_one_sort() -> None:
    assert GRAPH.initial == "enroll"
    assert GRAPH.terminal == {"decommissioned"}
    assert nx.descendants(GRAPH.graph, GRAPH.initial) | {GRAPH.initial} == set(STATES)
    assert GRAPH.stable == {"enroll", "manageable", "available", "active", "rescue", "decommissioned"}
    sorts = [*GRAPH.stable, *GRAPH.transient, *GRAPH.held, *GRAPH.failed]
    assert sorted(sorts) == STATES


def test_the_sorts_of_states_are_those_that_their_names_tell() -> None:
    def named(*endings: str) -> set[str]:
        return {state for state in STATES if state.endswith(endings)}

    assert named("ing", "wait", "call-back") == GRAPH.transient
    assert named("hold") == GRAPH.held
    assert named("failed") | {"error"} == GRAPH.failed


@pytest.mark.parametrize("state", sorted({*STATES} - GRAPH.terminal))
def test_every_state_but_the_last_has_a_way_on(state: str) -> None:
    onward = {edge.target for edge in GRAPH.transitions if edge.source == state}
    assert onward - {state}
    beyond = nx.descendants(GRAPH.graph, state)
    assert GRAPH.stable & beyond
    assert "available" in beyond | {state}
    assert "decommissioned" in beyond


@pytest.mark.parametrize("state", sorted(GRAPH.transient))
def test_what_is_under_way_can_fail_and_time_out_and_knows_where_it_goes(state: str) -> None:
    failure = GRAPH.follow(state, "fail").target  # also the edge of a timeout
    assert failure in GRAPH.failed | {GRAPH.initial}
    entries = [edge for edge in GRAPH.transitions if edge.target == state]
    assert entries
    for edge in entries:
        assert edge.return_to in GRAPH.stable
        way = GRAPH.onward(state, edge.return_to)
        assert way[-1].target == edge.return_to
        assert {step.event for step in way} <= ONWARD


@pytest.mark.parametrize("state", sorted(GRAPH.held | GRAPH.failed))
def test_where_a_walk_stopped_an_operator_can_choose(state: str) -> None:
    assert [edge.event for edge in VERBS if edge.source == state]


def test_whatever_is_destroyed_is_marked() -> None:
    """A burn-in writes to the disks; so does whatever cleans, deploys or gives a machine away."""
    destroying = {"cleaning", "deploying", "deleting", "testing", "decommissioning"}
    assert {edge.target for edge in GRAPH.transitions if edge.destructive} == destroying
    for edge in VERBS:
        assert edge.destructive == (edge.target in destroying), edge
    assert [(edge.source, edge.event) for edge in INTERNAL if edge.destructive] == [("deleting", "clean")]


def test_a_manual_clean_ends_where_it_began() -> None:
    clean = GRAPH.follow("manageable", "clean")
    assert GRAPH.landing(clean) == "manageable"
    assert [edge.event for edge in GRAPH.onward("clean wait", "manageable")] == ["resume", "manage"]
    assert [edge.event for edge in GRAPH.onward("clean wait", "available")] == ["resume", "done"]


@pytest.mark.parametrize(
    "state", ["manageable", "available", "error", *(f"{x} failed" for x in ("clean", "test"))]
)
def test_a_machine_can_be_given_away_and_again_when_that_failed(state: str) -> None:
    edge = GRAPH.follow(state, "decommission")
    assert (edge.destructive, GRAPH.landing(edge)) == (True, "decommissioned")
    assert GRAPH.allows(GRAPH.follow(edge.target, "fail").target, "decommission")
    assert not GRAPH.allows("active", "decommission")
    assert not GRAPH.allows("enroll", "decommission")


@given(st.lists(st.integers(min_value=0, max_value=100), max_size=80))
def test_a_random_walk_never_leaves_the_graph(choices: list[int]) -> None:
    state = GRAPH.initial
    for choice in choices:
        events = sorted(edge.event for edge in GRAPH.transitions if edge.source == state)
        if not events:
            assert state in GRAPH.terminal
            return
        event = events[choice % len(events)]
        assert GRAPH.allows(state, event)
        edge = GRAPH.follow(state, event)
        assert edge.source == state
        assert edge.target in STATES
        assert edge.return_to in {None, *GRAPH.stable}
        state = edge.target


def test_a_refusal_lists_what_is_possible() -> None:
    with pytest.raises(VerbRefused, match="not possible in state 'enroll'; possible here: manage"):
        GRAPH.follow("enroll", "deploy")
    with pytest.raises(VerbRefused, match="possible here: none"):
        GRAPH.follow("verifying", "deploy")
    with pytest.raises(VerbRefused, match="possible here: none"):
        GRAPH.follow("decommissioned", "manage")
    with pytest.raises(VerbRefused):
        GRAPH.follow("no such state", "deploy")


@pytest.mark.parametrize(
    ("source", "target", "verbs"),
    [
        ("enroll", "active", ["manage", "provide", "deploy"]),
        ("available", "manageable", ["manage"]),
        ("active", "manageable", ["delete", "manage"]),
        ("clean failed", "active", ["manage", "provide", "deploy"]),
        ("deploy failed", "available", ["delete"]),
        ("service failed", "active", ["abort"]),
        ("active", "active", []),
        ("decommissioned", "decommissioned", []),
    ],
)
def test_the_way_that_an_operator_would_walk(source: str, target: str, verbs: list[str]) -> None:
    path = GRAPH.path(source, target)
    assert [edge.event for edge in path] == verbs
    places = [source, *map(GRAPH.landing, path)]
    assert [edge.source for edge in path] == places[:-1]
    assert places[-1] == target


def test_no_path_believes_that_a_machine_runs_its_host_already() -> None:
    assert {edge.event for edge in GRAPH.path("manageable", "active")} & CLAIMS == set()


@pytest.mark.parametrize(
    ("source", "target"),
    [("enroll", "nowhere"), ("nowhere", "nowhere"), ("decommissioned", "active"), ("active", "enroll")],
)
def test_no_way_is_an_error(source: str, target: str) -> None:
    with pytest.raises(VerbRefused, match=f"no way from '{source}' to '{target}'"):
        GRAPH.path(source, target)


def transition(source: str, event: str, target: str, *, destructive: bool = False) -> Transition:
    return Transition(source, event, target, None, "verb", "enrol", destructive, "undercloud")


def test_the_cost_chooses_among_ways_but_never_for_a_loss() -> None:
    graph = Lifecycle(
        (
            transition("a", "leap", "d", destructive=True),
            transition("a", "walk", "b"),
            transition("a", "fly", "c"),
            transition("b", "walk", "d"),
            transition("c", "fly", "d"),
            transition("c", "glide", "d"),
            transition("d", "leap", "e", destructive=True),
        )
    )

    def events(target: str, cost: Callable[[Transition], float] = one_hop) -> list[str]:
        return [edge.event for edge in graph.path("a", target, cost)]

    seconds = {"walk": 900.0, "fly": 60.0, "glide": 30.0, "leap": 0.0}
    assert events("d") == ["walk", "walk"]  # as good as the others, and the table's first
    assert events("d", lambda edge: seconds[edge.event]) == ["fly", "glide"]
    assert events("d", lambda edge: 1000 - seconds[edge.event]) == ["walk", "walk"]
    assert events("e") == ["walk", "walk", "leap"]


@given(st.sampled_from(STATES), st.sampled_from(STATES), st.randoms(use_true_random=False))
def test_a_path_is_walkable_whatever_it_costs(source: str, target: str, random: Random) -> None:
    costs = {edge: random.random() * 1000 for edge in GRAPH.transitions}
    try:
        path = GRAPH.path(source, target, costs.__getitem__)
    except VerbRefused:
        return
    places = [source, *map(GRAPH.landing, path)]
    assert places[-1] == target
    assert len(set(places)) == len(places)
    for edge, place in zip(path, places, strict=False):
        assert edge.source == place
        assert edge.event in GRAPH.verbs(place)
        assert GRAPH.landing(edge) in GRAPH.stable


def test_a_table_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="one state by the same event"):
        Lifecycle((transition("a", "go", "b"), transition("a", "go", "c")))


def test_every_verb_is_built() -> None:
    for edge in VERBS:
        begins = edge.target in GRAPH.transient and not GRAPH.allows(edge.target, "resume")
        assert not begins or STEPS[edge.target]
