"""The lifecycle graph as pictures: graphviz and mermaid texts, made from the one table.

Both are pure and deterministic, so that a figure in the documentation can be compared with the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

import networkx as nx

from seed.lifecycle import CLAIMS, ONWARD, Lifecycle, Transition

RED, BLUE, BLACK, GREY, FAINT = "#c62828", "#1565c0", "#1f2937", "#757575", "#9e9e9e"
HERE = "#ffd54f"
_MOVE = re.compile(r"(?P<source>.+) → .+ \((?P<event>.+)\)")
_SORTS = ("transient", "held", "failed", "stable")


@dataclass(frozen=True)
class Position:
    """Where a node is in the graph, the edges that it came by, oldest first, and those that it will take."""

    node: str
    state: str
    way: tuple[Transition, ...] = ()
    ahead: tuple[Transition, ...] = ()

    @classmethod
    def of(
        cls, lifecycle: Lifecycle, node: str, state: str, target: str | None, moves: Iterable[str]
    ) -> Position:
        """From the messages of the node's `state` events; what the graph does not know is left out."""
        known = (found for move in moves if (found := _MOVE.fullmatch(move)))
        way = [lifecycle.follow(*at) for move in known if lifecycle.allows(*(at := move.groups()))]
        return cls(node, state, tuple(way), lifecycle.onward(state, target) if target else ())

    def mark(self, edge: Transition) -> str | None:
        """`ahead` or `taken`; None for the rest of the graph."""
        return "ahead" if edge in self.ahead else "taken" if edge in self.way else None


def sort(lifecycle: Lifecycle, state: str) -> str:
    """`transient`, `held`, `failed` or `stable`."""
    return next(name for name in _SORTS if state in getattr(lifecycle, name))


# --- graphviz

_BOXES = {
    "stable": f'fillcolor="#dbe9f9" color="{BLACK}" penwidth=2 fontname="Helvetica-Bold" fontsize=18',
    "transient": f'fillcolor="white" color="{BLACK}"',
    "held": f'fillcolor="white" color="{BLACK}" style="rounded,filled,dashed"',
    "failed": f'fillcolor="#eeeeee" color="{FAINT}" fontcolor="#616161"',
}
_KEY = (
    "<b>blue box</b>: a node rests here &#160; white: under way &#160; dashed: held &#160; grey: failed"
    " &#160;&#160; <b>black line</b>: a verb of an operator &#160;"
    f' <font color="{RED}"><b>red</b>: destroys what is on the disks</font> &#160;'
    f' <font color="{GREY}">grey: the seed\'s own event; a timeout is a fail</font>'
)
_MARKED_KEY = (
    f'<br/><br/><font color="{BLUE}"><b>{{node}}</b> stands in the yellow box; <b>blue line</b>: the way'
    " that it took; blue dashes: the way ahead</font>"
)
_FRAME = """\
digraph lifecycle {{
  graph [rankdir=LR newrank=true nodesep=0.22 ranksep=0.45 fontname="Helvetica" fontsize=16 label=<{key}>]
  node [shape=box style="rounded,filled" fontname="Helvetica" fontsize=14 height=0.42]
  edge [fontname="Helvetica" fontsize=12]
"""
# Drawn in this order of the phases, half as many lines cross each other as in that of a life.
_ORDER = ("enrol", "decommission", "provision", "maintain")


def dot(lifecycle: Lifecycle, position: Position | None = None) -> str:
    """The graph in graphviz's language, one edge for each transition, a node's place and way marked."""
    key = _KEY + (_MARKED_KEY.format(node=escape(position.node)) if position else "")
    forward = _Forward(lifecycle)
    lines = [_FRAME.format(key=key)]
    for phase in sorted(lifecycle.phases, key=_ORDER.index):
        lines += [f'  subgraph "cluster_{phase}" {{\n', f"    {_cluster(phase)}\n"]
        lines += [f"    {_box(lifecycle, state, position)}\n" for state in lifecycle.phases[phase]]
        lines.append("  }\n")
    for edge in lifecycle.transitions:
        shaping = "" if edge in forward else " constraint=false"
        lines.append(f'  "{edge.source}" -> "{edge.target}" [{_line(lifecycle, edge, position)}{shaping}]\n')
    return "".join([*lines, "}\n"])


def _cluster(phase: str) -> str:
    return f'graph [label="{phase}" labeljust=l style="rounded,filled" fillcolor="#f8f8f8" color="#cccccc"]'


def _box(lifecycle: Lifecycle, state: str, position: Position | None) -> str:
    look = _BOXES[sort(lifecycle, state)]
    if position and position.state == state:
        look += f' fillcolor="{HERE}" color="{BLUE}" fontcolor="black" penwidth=4'
    return f'"{state}" [{look}]'


def _line(lifecycle: Lifecycle, edge: Transition, position: Position | None) -> str:
    ink, width = _ink(lifecycle, edge)
    look = f'label="{edge.event}" color="{ink}" fontcolor="{ink}" penwidth={width}'
    mark = position.mark(edge) if position else None
    if mark:
        look += f' color="{BLUE}" penwidth=3 style={"dashed" if mark == "ahead" else "solid"}'
        look += "" if edge.destructive else f' fontcolor="{BLUE}"'
    return look


def _ink(lifecycle: Lifecycle, edge: Transition) -> tuple[str, float]:
    """Colour and width: the verbs of resting states are the story, the rest is detail."""
    told = edge.source in lifecycle.stable
    if edge.destructive or edge.kind == "verb":
        return (RED if edge.destructive else BLACK), (1.8 if told else 1.0)
    return (GREY if edge.event in ONWARD else FAINT), 0.7


class _Forward:
    """Which edges lead on in a machine's life, from left to right; the others must not shape the picture."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        far = len(lifecycle.graph)
        steps = nx.single_source_dijkstra_path_length(
            lifecycle.graph, lifecycle.initial, weight=lambda _, __, keys: 1 if keys.keys() - CLAIMS else far
        )
        self._rank = {state: (steps[state], _SORTS.index(sort(lifecycle, state))) for state in steps}
        self._end = frozenset(lifecycle.phases["decommission"])

    def __contains__(self, edge: Transition) -> bool:
        ends, ended = edge.target in self._end, edge.source in self._end
        return ends if ends != ended else self._rank[edge.target] > self._rank[edge.source]


# --- mermaid

_CLASSES = f"""\
  classDef stable fill:#dbe9f9,stroke:{BLACK},stroke-width:2px,font-weight:bold,color:black
  classDef transient fill:#ffffff,stroke:{BLACK},color:black
  classDef held fill:#ffffff,stroke:{BLACK},stroke-dasharray:4,color:black
  classDef failed fill:#eeeeee,stroke:{FAINT},color:#616161
  classDef here fill:{HERE},stroke:{BLUE},stroke-width:4px,color:black
"""
_LINKS = {
    "destructive": f"stroke:{RED},color:{RED}",
    "internal": f"stroke:{FAINT},stroke-width:1px",
    "taken": f"stroke:{BLUE},stroke-width:4px",
    "ahead": f"stroke:{BLUE},stroke-width:4px,stroke-dasharray:6",
}


def mermaid(lifecycle: Lifecycle, position: Position | None = None) -> str:
    """The graph as a mermaid flow chart, which many Markdown viewers draw."""
    lines = ["flowchart LR\n"]
    if position:
        lines.append(f"  %% {position.node} is in state {position.state}\n")
    for phase, states in lifecycle.phases.items():
        lines.append(f"  subgraph {phase}\n")
        lines += [f'    {_id(state)}["{state}"]\n' for state in states]
        lines.append("  end\n")
    for edge in lifecycle.transitions:
        lines.append(f'  {_id(edge.source)} -->|"{edge.event}"| {_id(edge.target)}\n')
    return "".join([*lines, _CLASSES, *_classes(lifecycle, position), *_link_styles(lifecycle, position)])


def _id(state: str) -> str:
    return re.sub(r"\W", "_", state)


def _classes(lifecycle: Lifecycle, position: Position | None) -> Iterator[str]:
    for name in _SORTS:
        states = [state for state in lifecycle.graph if sort(lifecycle, state) == name]
        yield f"  class {','.join(map(_id, states))} {name}\n"
    if position:
        yield f"  class {_id(position.state)} here\n"


def _link_styles(lifecycle: Lifecycle, position: Position | None) -> Iterator[str]:
    looks = [_look(edge, position) for edge in lifecycle.transitions]
    for look, style in _LINKS.items():
        numbers = [str(number) for number, found in enumerate(looks) if found == look]
        if numbers:
            yield f"  linkStyle {','.join(numbers)} {style}\n"


def _look(edge: Transition, position: Position | None) -> str:
    mark = position.mark(edge) if position else None
    return mark or ("destructive" if edge.destructive else edge.kind)
