"""`undercloud lifecycle`: the graph of states and verbs, and where a node stands in it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from bootstrap.cli.console import CommandError, client, out, show_json
from bootstrap.client import Client
from pxe.process import ToolMissing, require, run
from seed.drawing import Position, dot, mermaid, sort
from seed.lifecycle import Lifecycle, Transition, ironic_39

app = typer.Typer(help="The graph that every node walks.", no_args_is_help=True)

SORTS = {"stable": "", "transient": "under way", "held": "held until unhold or abort", "failed": "failed"}
MARKS = {"ahead": "› ", "taken": "✓ ", None: ""}


class Picture(StrEnum):
    """The languages that the graph is drawn in."""

    TEXT = "text"
    SVG = "svg"
    DOT = "dot"
    MERMAID = "mermaid"
    JSON = "json"


@app.callback()
def main() -> None:
    """Keeps `show` a command of its own in a group of one."""


@app.command()
def show(
    ctx: typer.Context,
    node: Annotated[
        str | None, typer.Option(help="Mark where this node stands, how it came there, and its way ahead.")
    ] = None,
    picture: Annotated[
        Picture, typer.Option("--format", help="text: to read here. json: the table, for programs.")
    ] = Picture.TEXT,
) -> None:
    """Draw the lifecycle: each state, each verb and where it leads, and what destroys data.

    Without --node neither a seed nor a configuration is needed. In JSON each transition is {source, event,
    target, kind, phase, destructive}; with --node also `at`: whether it leaves the state that the node is in.
    `svg` needs graphviz.

    Examples:

    `undercloud lifecycle show`

    `undercloud lifecycle show --node node-1`

    `undercloud lifecycle show --node node-1 --format svg > node-1.svg`
    """
    lifecycle = ironic_39()
    position = _position(client(ctx), lifecycle, node) if node else None
    match picture:
        case Picture.TEXT:
            for line in _text(lifecycle, position):
                out.print(line, soft_wrap=True)
        case Picture.JSON:
            show_json([_row(edge, position) for edge in lifecycle.transitions])
        case Picture.MERMAID:
            typer.echo(mermaid(lifecycle, position), nl=False)
        case Picture.DOT:
            typer.echo(dot(lifecycle, position), nl=False)
        case Picture.SVG:
            typer.echo(_svg(dot(lifecycle, position)), nl=False)


def _position(api: Client, lifecycle: Lifecycle, name: str) -> Position:
    node = api.get(f"/nodes/{name}")
    target = node["run"]["return_to"] if node["run"] else node["target_state"]
    return Position.of(lifecycle, node["name"], node["state"], target, _moves(api, node["uuid"]))


def _moves(api: Client, node: str) -> Iterator[str]:
    after = 0
    while page := api.get("/events", node=node, after=after, limit=10_000):
        yield from (event["message"] for event in page if event["kind"] == "state")
        after = page[-1]["id"]


def _row(edge: Transition, position: Position | None) -> dict[str, Any]:
    fields = ("source", "event", "target", "kind", "phase", "destructive")
    row = {field: getattr(edge, field) for field in fields}
    return row | ({"at": edge.source == position.state} if position else {})


def _svg(source: str) -> str:
    try:
        require("dot")
    except ToolMissing as error:
        raise CommandError(f"{error}; or take --format text, mermaid or dot, which need nothing") from error
    return run(["dot", "-Tsvg"], stdin=source.encode())


def _text(lifecycle: Lifecycle, position: Position | None) -> Iterator[Text]:
    if position:
        yield from _header(lifecycle, position)
    for phase, states in lifecycle.phases.items():
        yield Text(phase.upper(), style="bold underline")
        for state in states:
            yield from _state(lifecycle, state, position)
        yield Text()
    yield from _key(position)


def _header(lifecycle: Lifecycle, position: Position) -> Iterator[Text]:
    yield Text.assemble((position.node, "bold"), " is in state ", (position.state, "bold blue"), ".")
    if position.way:
        yield _route("Its way: ", position.way[-12:], "…" if len(position.way) > 12 else "")
    if position.ahead:
        yield _route("Its way ahead: ", position.ahead, "")
    verbs = ", ".join(lifecycle.verbs(position.state))
    yield Text(f"Verbs that are possible now: {verbs or 'none'}\n")


def _route(title: str, way: tuple[Transition, ...], before: str) -> Text:
    return Text(f"{title}{before}{way[0].source}" + "".join(f" ─{edge.event}→ {edge.target}" for edge in way))


def _state(lifecycle: Lifecycle, state: str, position: Position | None) -> Iterator[Text]:
    here = position is not None and position.state == state
    kind = sort(lifecycle, state)
    note = "every node begins here" if state == lifecycle.initial else SORTS[kind]
    note = "the end" if state in lifecycle.terminal else note
    look = "bold black on yellow" if here else "bold blue" if kind == "stable" else ""
    gap = " " * (26 - len(state)) if note else ""
    yield Text.assemble("▶ " if here else "  ", (state, look), gap, (note, "dim"))
    edges = [edge for edge in lifecycle.transitions if edge.source == state]
    yield from (_verb(lifecycle, edge, position) for edge in edges if edge.kind == "verb")
    own = [_own(edge, position) for edge in edges if edge.kind == "internal"]
    if own:
        yield Text.assemble("      ", Text(", ").join(own), style="dim")


def _verb(lifecycle: Lifecycle, edge: Transition, position: Position | None) -> Text:
    landing = lifecycle.landing(edge)
    goes = f"→ {edge.target}" + (f" ⇒ {landing}" if landing != edge.target else "")
    notes = [Text("destroys data", "red")] if edge.destructive else []
    verb = (f"{edge.event:14}", "bold red" if edge.destructive else "bold")
    line = Text.assemble(
        (f"    {_mark(edge, position):2}", "bold blue"), verb, f"{goes:37}", Text("; ").join(notes)
    )
    line.rstrip()
    return line


def _own(edge: Transition, position: Position | None) -> Text:
    mark = _mark(edge, position)
    return Text(f"{mark}{edge.event} → {edge.target}", style="not dim bold blue" if mark else "")


def _mark(edge: Transition, position: Position | None) -> str:
    return MARKS[position.mark(edge) if position else None]


def _key(position: Position | None) -> Iterator[Text]:
    yield Text.assemble(
        "A verb (", ("bold", "bold"), ") → the state that it leads to ⇒ where it ends if all goes well."
    )
    yield Text(
        "In grey: the seed's own events; a step that runs out of time takes the one named fail.", style="dim"
    )
    if position:
        yield Text("▶ the node is here   ✓ it came this way   › it goes on this way", style="blue")
