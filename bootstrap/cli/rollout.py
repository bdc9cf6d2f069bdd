"""`undercloud rollout`: plans that the seed carries out, or has carried out."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bootstrap.cli.console import Format, Output, client, out, show, show_json
from bootstrap.cli.follow import POLL
from bootstrap.cli.plan_view import span
from bootstrap.client import Client, SeedSilent

app = typer.Typer(help="Plans that the seed carries out.", no_args_is_help=True)

ENDED = ("done", "failed", "stopped")
Number = Annotated[int, typer.Argument(metavar="ID", help="The number that `apply` told.")]


@app.command("list")
def list_rollouts(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """List all rollouts, the newest first."""
    rows = client(ctx).get("/rollouts")
    if output is Format.TABLE:
        rows = [
            {**row, "nodes": _counts(row), "began": row["created_at"][:16].replace("T", " ")} for row in rows
        ]
    columns = {"id": "ID", "state": "STATE", "who": "BY", "began": "BEGAN (UTC)", "nodes": "NODES"}
    show(rows, columns | {"reason": "REASON"}, output)


@app.command("show")
def show_rollout(ctx: typer.Context, number: Number, output: Output = Format.TABLE) -> None:
    """Show how far each node of a rollout is, and why it is not further."""
    found = client(ctx).get(f"/rollouts/{number}")
    if output is Format.JSON:
        show_json(found)
        return
    reason = f"; {found['reason']}" if found["reason"] else ""
    out.print(f"rollout {number}: {found['state']}: {_counts(found)}{reason}", markup=False, soft_wrap=True)
    rows = [{**row, "way": _way(row), "now": _now(row)} for row in found["nodes"]]
    columns = {"name": "NODE", "state": "STATE", "way": "WAY", "now": "NOW", "message": "MESSAGE"}
    show(rows, columns, output)


@app.command()
def stop(ctx: typer.Context, number: Number) -> None:
    """Start nothing further; verbs that are under way go on to their ends.

    To give those up as well: `undercloud node abort NODE`.
    """
    found = client(ctx).post(f"/rollouts/{number}/stop")
    out.print(f"Rollout {number} is {found['state']}: {_counts(found)}.", markup=False)


def follow(api: Client, begun: dict[str, Any], since: int, to: Console) -> dict[str, Any]:
    """The rollout as it ended; live rows on a terminal, elsewhere a line for each event after `since`."""
    number = begun["id"]
    try:
        ended = _Watcher(api, begun, since, to).watch()
    except KeyboardInterrupt:
        to.print(
            f"\nThe seed goes on without this command: `undercloud rollout show {number}` looks, "
            f"`undercloud rollout stop {number}` has it start nothing further.",
            soft_wrap=True,
        )
        raise
    except SeedSilent:
        words = f"Rollout {number} is written down, and goes on where it was as soon as a seed runs."
        to.print(words, soft_wrap=True)
        raise
    _summary(ended, to)
    return ended


class _Watcher:
    """Polls a rollout until it has ended."""

    def __init__(self, api: Client, begun: dict[str, Any], since: int, to: Console) -> None:
        self._api = api
        self._number = begun["id"]
        self._path = f"/rollouts/{self._number}"
        self._out = to
        self._began = datetime.fromisoformat(begun["created_at"])
        self._names = {row["node"]: row["name"] for row in api.get(self._path)["nodes"]}
        self._newest = since

    def watch(self) -> dict[str, Any]:
        with Live(console=self._out, refresh_per_second=4, transient=True) as live:
            while True:
                seen = self._api.get(self._path, state="running")
                if self._out.is_terminal:
                    live.update(self._view(seen))
                else:
                    self._tell()
                if seen["state"] in ENDED:
                    break
                time.sleep(POLL)
        whole: dict[str, Any] = self._api.get(self._path)
        return whole

    def _tell(self) -> None:
        while events := self._api.get("/events", after=self._newest):
            for event in events:
                self._newest = event["id"]
                name = self._names.get(event["node"])
                if name or event["data"].get("rollout") == self._number:
                    self._line(event, name)

    def _line(self, event: dict[str, Any], name: str | None) -> None:
        passed = (datetime.fromisoformat(event["at"]) - self._began).total_seconds()
        words = f"{name}: {event['message']}" if name else event["message"]
        self._out.print(f"{passed:6.0f} s  {words}", markup=False, soft_wrap=True)

    def _view(self, seen: dict[str, Any]) -> Group:
        """What is under way, as many rows as fit, below how far the whole is."""
        counts = seen["counts"]
        ended = counts["done"] + counts["failed"] + counts["skipped"]
        head = Table.grid(padding=(0, 2))
        head.add_row(ProgressBar(sum(counts.values()), ended, width=30), _counts(seen))
        room = max(3, self._out.size.height - 5)
        table = Table("NODE", "VERB", "STEP", "SINCE", box=None, pad_edge=False)
        table.add_column("LAST", no_wrap=True, overflow="ellipsis")
        for row in seen["nodes"][:room]:
            table.add_row(row["name"], _way(row), row["step"] or "-", _since(row), row["message"] or "")
        more = len(seen["nodes"]) - room
        return Group(head, table, Text(f"and {more} more" if more > 0 else ""))


def _summary(ended: dict[str, Any], to: Console) -> None:
    for row in ended["nodes"]:
        if row["state"] == "failed":
            to.print(f"{row['name']}: {row['message']}", style="red", markup=False, soft_wrap=True)
    took = datetime.fromisoformat(ended["finished_at"]) - datetime.fromisoformat(ended["created_at"])
    reason = f"; {ended['reason']}" if ended["reason"] else ""
    words = f"Rollout {ended['id']} is {ended['state']} after {span(took.total_seconds())}: {_counts(ended)}"
    style = "green" if ended["state"] == "done" else "red"
    to.print(f"{words}{reason}", style=style, markup=False, soft_wrap=True)


def _counts(seen: dict[str, Any]) -> str:
    return ", ".join(f"{count} {state}" for state, count in seen["counts"].items() if count)


def _way(row: dict[str, Any]) -> str:
    """Such as `deploy (3 of 3)`."""
    verbs, done = row["verbs"], row["cursor"]
    at = min(done, len(verbs) - 1)
    return f"{verbs[at]} ({at + 1} of {len(verbs)})" if len(verbs) > 1 else str(verbs[at])


def _now(row: dict[str, Any]) -> str:
    return f"{row['step']}, {_since(row)}" if row["step"] else ""


def _since(row: dict[str, Any]) -> str:
    if row["since"] is None:
        return ""
    return span((datetime.now(UTC) - datetime.fromisoformat(row["since"])).total_seconds())
