"""`undercloud events`: everything that happened."""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime
from typing import Annotated, Any

import typer

from bootstrap.cli.console import CommandError, Format, Output, client, out, show_json
from bootstrap.client import Client


def register(app: typer.Typer) -> None:
    app.command("events")(events)


def events(
    ctx: typer.Context,
    node: Annotated[str | None, typer.Option(help="Only those of one node.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they happen.")] = False,
    last: Annotated[int, typer.Option(min=1, help="How many of the newest to show.")] = 50,
    output: Output = Format.TABLE,
) -> None:
    """Show events, oldest first.

    Example: `undercloud events --node node-1 --follow`
    """
    if follow and output is Format.JSON:
        raise CommandError("--follow has no end, and so no JSON; take one of the two")
    api = client(ctx)
    found = _newest(api, node, last)
    names = {item["uuid"]: item["name"] for item in api.get("/nodes")}
    if output is Format.JSON:
        show_json(list(found))
        return
    for event in found:
        line(event, names)
    newest = found[-1]["id"] if found else 0
    while follow:
        time.sleep(1)
        for event in api.get("/events", node=node, after=newest):
            line(event, names)
            newest = event["id"]


def _newest(api: Client, node: str | None, last: int) -> deque[dict[str, Any]]:
    """The newest events; the seed gives them page by page, oldest first."""
    found: deque[dict[str, Any]] = deque(maxlen=last)
    after = 0
    while page := api.get("/events", node=node, after=after, limit=10_000):
        found.extend(page)
        after = page[-1]["id"]
    return found


def line(event: dict[str, Any], names: dict[str, str]) -> None:
    """One event as one line."""
    at = datetime.fromisoformat(event["at"]).astimezone()
    name = names.get(event["node"], event["node"] or "")
    text = f"{at:%Y-%m-%d %H:%M:%S}  {name:12.24}  {event['kind']:20}  {event['message']}"
    out.print(text, markup=False, soft_wrap=True)
