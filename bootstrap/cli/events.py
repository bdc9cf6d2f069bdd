"""`undercloud events`: everything that happened."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Annotated, Any

import typer

from bootstrap.cli.console import Format, Output, client, out, show_json
from bootstrap.cli.follow import MOST, POLL, newest_event


def register(app: typer.Typer) -> None:
    app.command("events")(events)


def events(
    ctx: typer.Context,
    node: Annotated[str | None, typer.Option(help="Only those of one node.")] = None,
    kind: Annotated[
        str | None, typer.Option(metavar="PREFIX", help="Only kinds that begin so, such as `power`.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as they happen; with JSON, one object a line.")
    ] = False,
    last: Annotated[int, typer.Option(min=1, max=MOST, help="How many of the newest to show.")] = 50,
    output: Output = Format.TABLE,
) -> None:
    """Show events, oldest first.

    Example: `undercloud events --node node-1 --follow`
    """
    api, chosen = client(ctx), {"node": node, "kind": kind}
    newest = newest_event(api)
    found = api.get("/events", **chosen, last=last)
    if output is Format.JSON and not follow:
        show_json(found)
        return
    tell = _json_line if output is Format.JSON else _line
    while True:
        for event in found:
            tell(event)
        if not follow:
            return
        shown = found[-1]["id"] if found else 0
        seen = shown if len(found) == MOST else max(shown, newest)  # what is not chosen is passed by
        time.sleep(POLL)
        newest = max(seen, newest_event(api))
        found = api.get("/events", **chosen, after=seen, limit=MOST)


def _json_line(event: dict[str, Any]) -> None:
    typer.echo(json.dumps(event))


def _line(event: dict[str, Any]) -> None:
    name = event["node_name"] or event["node"] or ""
    text = f"{local(event['at'])}  {name:12.24}  {event['kind']:20}  {event['message']}"
    out.print(text, markup=False, soft_wrap=True)


def local(at: str) -> str:
    """A time of the seed's, as this place's clocks show it."""
    return f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M:%S}"
