"""Pictures of the lifecycle show the table, whole; the one in docs/ is this table's."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seed.drawing import BLUE, HERE, RED, Position, dot, mermaid
from seed.lifecycle import Transition, ironic_39

GRAPH = ironic_39()
DOCS = Path(__file__).parents[2] / "docs"
SVG = "{http://www.w3.org/2000/svg}"
EDGES = Counter((edge.source, edge.target) for edge in GRAPH.transitions)
AGAIN = "the table changed: draw the figure again, as docs/lifecycle.md says"
needs_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")


def move(edge: Transition) -> str:
    """What the history says when a node takes this edge."""
    return f"{edge.source} → {edge.target} ({edge.event})"


def position(*events: str, target: str | None = None) -> Position:
    """Where a new node is after these events."""
    state, moves = GRAPH.initial, []
    for event in events:
        edge = GRAPH.follow(state, event)
        state = edge.target
        moves.append(move(edge))
    return Position.of(GRAPH, "node-1", state, target, moves)


DEPLOYING = position("manage", "done", "provide", "done", "deploy", "wait", target="active")


def drawn(text: str) -> dict[tuple[str, str, str], str]:
    """Each edge of a graphviz text, and how it looks."""
    found = re.findall(r'^  "(.+?)" -> "(.+?)" \[label="(.+?)" (.*)\]$', text, re.MULTILINE)
    return {(source, event, target): look for source, target, event, look in found}


def key(edge: Transition) -> tuple[str, str, str]:
    return (edge.source, edge.event, edge.target)


def test_the_figure_in_the_documentation_is_not_stale() -> None:
    assert (DOCS / "lifecycle.dot").read_text() == dot(GRAPH), AGAIN
    figure = ET.fromstring((DOCS / "lifecycle.svg").read_text())
    assert titles(figure, "node") == Counter(GRAPH.graph), AGAIN
    assert titles(figure, "edge") == Counter({f"{a}->{b}": n for (a, b), n in EDGES.items()}), AGAIN
    words = [text.text for text in figure.iter(f"{SVG}text")]
    assert not Counter(edge.event for edge in GRAPH.transitions) - Counter(words), AGAIN


def titles(figure: ET.Element, kind: str) -> Counter[str | None]:
    groups = (group for group in figure.iter(f"{SVG}g") if group.get("class") == kind)
    return Counter(group.findtext(f"{SVG}title") for group in groups)


def test_a_drawing_is_the_table_and_marks_what_destroys() -> None:
    found = drawn(dot(GRAPH))
    assert found.keys() == {key(edge) for edge in GRAPH.transitions}
    for edge in GRAPH.transitions:
        assert (RED in found[key(edge)]) == edge.destructive
    assert BLUE not in dot(GRAPH)
    assert HERE not in dot(GRAPH)
    assert dot(GRAPH) == dot(ironic_39())


def test_every_state_stands_in_its_phase_once() -> None:
    for phase, block in re.findall(r'subgraph "cluster_(\w+)" \{\n(.*?)\n  \}', dot(GRAPH), re.DOTALL):
        assert re.findall(r'^    "(.+?)" \[', block, re.MULTILINE) == list(GRAPH.phases[phase])


def test_a_nodes_place_and_way_are_marked() -> None:
    text = dot(GRAPH, DEPLOYING)
    assert re.findall(rf'^    "(.+?)" .*fillcolor="{HERE}"', text, re.MULTILINE) == ["wait call-back"]
    marked = {at: look for at, look in drawn(text).items() if f'color="{BLUE}" penwidth=3' in look}
    assert marked.keys() == {
        ("enroll", "manage", "verifying"),
        ("verifying", "done", "manageable"),
        ("manageable", "provide", "cleaning"),
        ("cleaning", "done", "available"),
        ("available", "deploy", "deploying"),
        ("deploying", "wait", "wait call-back"),
        ("wait call-back", "resume", "deploying"),
        ("deploying", "done", "active"),
    }
    ahead = {at for at, look in marked.items() if "dashed" in look}
    assert ahead == {("wait call-back", "resume", "deploying"), ("deploying", "done", "active")}
    assert "node-1" in text


def test_a_manual_clean_is_on_its_way_back() -> None:
    cleaning = position("manage", "done", "clean", "wait", target="manageable")
    assert [edge.event for edge in cleaning.ahead] == ["resume", "manage"]


def test_who_rests_or_failed_goes_nowhere_alone() -> None:
    assert position("manage", "done").ahead == ()
    assert position("manage", "done", "inspect", "fail", target="manageable").ahead == ()


@given(st.lists(st.integers(min_value=0, max_value=100), max_size=40))
def test_the_way_is_the_history(choices: list[int]) -> None:
    state, walked = GRAPH.initial, []
    for choice in choices:
        edges = [edge for edge in GRAPH.transitions if edge.source == state]
        if not edges:
            break
        walked.append(edges[choice % len(edges)])
        state = walked[-1].target
    place = Position.of(GRAPH, "node-1", state, None, map(move, walked))
    assert place.way == tuple(walked)
    assert {edge for edge in GRAPH.transitions if place.mark(edge)} == set(walked)


def test_moves_of_an_older_graph_are_left_out() -> None:
    moves = ["enroll → verifying (manage)", "verifying → lost (vanish)", "anything else"]
    assert [edge.event for edge in Position.of(GRAPH, "n", "verifying", None, moves).way] == ["manage"]


@needs_graphviz
@pytest.mark.parametrize(
    "text",
    [dot(GRAPH), dot(GRAPH, DEPLOYING), dot(GRAPH, Position('<n> & "1"', "active"))],
    ids=["plain", "marked", "odd name"],
)
def test_graphviz_draws_it_without_a_complaint(text: str) -> None:
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert titles(ET.fromstring(done.stdout), "node") == Counter(GRAPH.graph)


def test_mermaid_is_the_table_and_marks_what_destroys() -> None:
    lines = mermaid(GRAPH).splitlines()
    assert lines[0] == "flowchart LR"
    names = dict(re.findall(r'^    (\w+)\["(.+)"\]$', "\n".join(lines), re.MULTILINE))
    assert sorted(names.values()) == sorted(GRAPH.graph)
    found = [re.fullmatch(r'  (\w+) -->\|"(.+)"\| (\w+)', line) for line in lines]
    edges = [(names[hit[1]], hit[2], names[hit[3]]) for hit in found if hit]
    assert edges == [key(edge) for edge in GRAPH.transitions]
    assert numbered(mermaid(GRAPH), RED) == [key(edge) for edge in GRAPH.transitions if edge.destructive]


def numbered(text: str, style: str) -> list[tuple[str, str, str]]:
    (numbers,) = re.findall(rf"linkStyle ([\d,]+) stroke:{style}", text)
    return [key(GRAPH.transitions[int(number)]) for number in numbers.split(",")]


def test_mermaid_marks_the_place_and_the_way() -> None:
    text = mermaid(GRAPH, DEPLOYING)
    assert "  class wait_call_back here\n" in text
    assert "node-1 is in state wait call-back" in text
    ahead = f"{BLUE},stroke-width:4px,stroke-dasharray"
    assert sorted(numbered(text, ahead)) == sorted(map(key, DEPLOYING.ahead))
    assert sorted(numbered(text, f"{BLUE},stroke-width:4px\n")) == sorted(map(key, DEPLOYING.way))
