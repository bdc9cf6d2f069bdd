"""`undercloud events`: everything that happened."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any

import typer

from bootstrap.cli.console import Format, Output, client, out, show_json


def register(app: typer.Typer) -> None:
    app.command("events")(events)


def events(
    ctx: typer.Context,
    node: Annotated[str | None, typer.Option(help="Only those of one node.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they happen.")] = False,
    last: Annotated[int, typer.Option(help="How many of the newest to show.")] = 50,
    output: Output = Format.TABLE,
) -> None:
    """Show events, oldest first.

    Example: `undercloud events --node node-1 --follow`
    """
    api = client(ctx)
    found = api.get("/events", node=node, limit=10_000)
    names = {item["uuid"]: item["name"] for item in api.get("/nodes")}
    if output is Format.JSON:
        show_json(found[-last:])
        return
    for event in found[-last:]:
        line(event, names)
    newest = found[-1]["id"] if found else 0
    while follow:
        time.sleep(1)
        for event in api.get("/events", node=node, after=newest):
            line(event, names)
            newest = event["id"]


def line(event: dict[str, Any], names: dict[str, str]) -> None:
    """One event as one line."""
    at = datetime.fromisoformat(event["at"]).astimezone()
    name = names.get(event["node"], event["node"] or "")
    out.print(f"{at:%Y-%m-%d %H:%M:%S}  {name:12.24}  {event['kind']:20}  {event['message']}", markup=False)
