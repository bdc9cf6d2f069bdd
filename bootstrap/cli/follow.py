"""Follow runs to their end: live rows on a terminal, one line for each event elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from bootstrap.cli.console import out
from bootstrap.client import Client

ENDED = ("done", "failed", "aborted")
POLL = 1.0  # seconds
MOST = 10_000  # events in one answer of the seed


def newest_event(api: Client) -> int:
    """Where the event stream stands now."""
    newest = api.get("/events", last=1)
    return newest[-1]["id"] if newest else 0


def until_done(
    api: Client,
    runs: list[dict[str, Any]],
    since: int,
    to: Console = out,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> list[dict[str, Any]]:
    """The runs as they ended, telling events after number `since`. Ctrl-C stops only the watching."""
    if not runs:
        return []
    names = {node["uuid"]: node["name"] for node in api.get("/nodes", fields="uuid,name")}
    watcher = _Watcher(api, runs, names, since, to, sleep)
    try:
        return watcher.watch()
    except KeyboardInterrupt:
        to.print(
            "\nThe seed goes on without this command; see `undercloud node list` or `undercloud events`."
        )
        raise


class _Watcher:
    """Polls the event stream from where the runs began."""

    def __init__(
        self,
        api: Client,
        runs: list[dict[str, Any]],
        names: dict[str, str],
        since: int,
        to: Console,
        sleep: Callable[[float], None],
    ) -> None:
        self._api = api
        self._runs = {run["id"]: run for run in runs}
        self._nodes = {run["node"] for run in runs}
        self._names = names
        self._said: dict[str, str] = {}
        self._outcomes: dict[int, str] = {}
        self._newest = since
        self._out = to
        self._sleep = sleep

    def watch(self) -> list[dict[str, Any]]:
        with Live(console=self._out, auto_refresh=False, transient=True) as live:
            while True:
                self._poll()
                if self._out.is_terminal:
                    live.update(self._table(), refresh=True)
                if all(run["state"] in ENDED for run in self._runs.values()):
                    break
                self._sleep(POLL)
        self._poll()  # what the last of them said with its end
        for run in self._runs.values():
            self._summary(run)
        return list(self._runs.values())

    def _poll(self) -> None:
        """A run changes with an event of its node alone, so the others need not be asked for."""
        touched = set()
        for event in self._api.get("/events", after=self._newest, limit=MOST):
            self._newest = event["id"]
            if event["node"] in self._nodes:
                touched.add(event["node"])
                self._said[event["node"]] = event["message"]
                if event["kind"] == "step.complete":
                    self._outcomes[event["run"]] = event["message"].partition(": ")[2]
                if not self._out.is_terminal:
                    self._line(event["at"], event["node"], event["message"])
        for run_id, run in self._runs.items():
            if run["state"] not in ENDED and (run["node"] in touched or "halted" not in run):
                self._look(run_id)

    def _look(self, run_id: int) -> None:
        before = self._runs[run_id].get("halted")
        run = self._runs[run_id] = self._api.get(f"/runs/{run_id}")
        if run["halted"] not in (None, before):
            self._said[run["node"]] = words = _standing_still(run, self._names[run["node"]])
            if not self._out.is_terminal:
                self._line(datetime.now(UTC).isoformat(), run["node"], words)

    def _line(self, at: str, node: str, message: str) -> None:
        """With the seconds since the first of these runs began."""
        began = min(datetime.fromisoformat(run["created_at"]) for run in self._runs.values())
        passed = (datetime.fromisoformat(at) - began).total_seconds()
        self._out.print(f"{passed:6.0f} s  {self._names[node]}: {message}", markup=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table("NODE", "VERB", "", "STEP", "SECONDS", "LAST", box=None, pad_edge=False)
        for run in self._runs.values():
            name, last = self._names[run["node"]], self._said.get(run["node"], run["reason"] or "")
            bar = ProgressBar(len(run["steps"]), run["cursor"], width=12)
            table.add_row(name, run["verb"], bar, run["step"] or run["state"], f"{_seconds(run):.0f}", last)
        return table

    def _summary(self, run: dict[str, Any]) -> None:
        style = "green" if run["state"] == "done" else "red"
        self._out.print(
            f"{self._names[run['node']]}: {run['verb']} {run['state']} in {_seconds(run):.0f} s", style=style
        )
        reason = run["reason"] if run["state"] != "done" else self._outcome(run)
        if reason:
            self._out.print(f"  {reason}", markup=False, soft_wrap=True)

    def _outcome(self, run: dict[str, Any]) -> str | None:
        """What a run of one step says of itself, where its events have not been printed line by line."""
        one = self._out.is_terminal and len(run["steps"]) == 1
        return self._outcomes.get(run["id"]) if one else None


def _standing_still(run: dict[str, Any], name: str) -> str:
    verb = "maintenance off" if run["halted"].startswith("in maintenance") else "unhold"
    return f"stands still, {run['halted']}; `undercloud node {verb} {name}` lets it go on"


def _seconds(run: dict[str, Any]) -> float:
    end = datetime.fromisoformat(run["finished_at"]) if run["finished_at"] else datetime.now(UTC)
    return (end - datetime.fromisoformat(run["created_at"])).total_seconds()
