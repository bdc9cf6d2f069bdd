"""`undercloud node history`: what happened to a node, its runs with their steps, and who asked for what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from bootstrap.cli.console import Format, Output, client, out, show_json
from bootstrap.cli.events import local
from bootstrap.cli.follow import MOST

ENDS = ("run.done", "run.failed", "run.aborted")  # the heading of the run says so
STYLES = {"failed": "red", "aborted": "yellow", "done": "green"}


def register(app: typer.Typer) -> None:
    app.command("history")(history)


def history(
    ctx: typer.Context,
    node: Annotated[str, typer.Argument(help="Name or UUID.")],
    last: Annotated[int, typer.Option(min=1, max=MOST, help="How many of the newest events to show.")] = 200,
    output: Output = Format.TABLE,
) -> None:
    """Show what happened to a node, oldest first; steps stand under the run that they are part of.

    Example: `undercloud node history node-1 --last 30`
    """
    found = client(ctx).get(f"/nodes/{node}/history", last=last)
    if output is Format.JSON:
        show_json(found)
        return
    out.print(f"{'TIME':19}  {'SECONDS':>7}  WHAT", style="bold")
    for line, style in lines(found):
        out.print(line, style=style, markup=False, soft_wrap=True)


def lines(found: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Each line and its style; what is indented belongs to the run that was named last."""
    runs = {run["id"]: run for run in found["runs"]}
    for event in found["events"]:
        run = event["run"]
        if run in runs:
            yield _heading(runs.pop(run))
        if event["kind"] not in ENDS:
            indent = "  " if run else ""
            yield f"{_margin(event['at'], event['data'].get('seconds'))}  {indent}{_words(event)}", None


def _heading(run: dict[str, Any]) -> tuple[str, str | None]:
    seconds = None
    if run["finished_at"]:
        ended = datetime.fromisoformat(run["finished_at"])
        seconds = (ended - datetime.fromisoformat(run["created_at"])).total_seconds()
    state = run["state"] if seconds is not None or run["state"] == "held" else f"under way at {run['step']}"
    what = f"#{run['id']} {run['verb']}, by {run['who']}: {state}"
    return f"{_margin(run['created_at'], seconds)}  {what}", STYLES.get(run["state"], "bold")


def _margin(at: str, seconds: float | None) -> str:
    return f"{local(at)}  {'' if seconds is None else f'{seconds:.1f}':>7}"


def _words(event: dict[str, Any]) -> str:
    """A move that no run made names who asked for it; the other messages do so themselves."""
    asked = event["kind"] == "state" and not event["run"] and event["data"].get("who")
    return f"{event['message']}{f', by {asked}' if asked else ''}"
