"""`undercloud report`: where every node stands, and how long each phase took."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import typer

from bootstrap.cli.console import Format, Output, client, out, show, show_json

PHASES = ("manage", "inspect", "provide", "deploy")


def register(app: typer.Typer) -> None:
    app.command("report")(report)


def report(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Show node, BMC, state, address, role and the seconds of each phase (the last time it was done)."""
    api = client(ctx)
    rows = [_row(node, api.get("/runs", node=node["uuid"])) for node in api.get("/nodes")]
    if output is Format.JSON:
        show_json(rows)
        return
    columns = {"name": "NODE", "bmc": "BMC", "state": "STATE", "address": "ADDRESS", "role": "ROLE"}
    show(rows, columns | {phase: f"{phase.upper()} s" for phase in PHASES}, output)
    failed = [row for row in rows if row["error"]]
    for row in failed:
        out.print(f"{row['name']}: {row['error']}", style="red", markup=False, soft_wrap=True)


def _row(node: dict[str, Any], runs: list[dict[str, Any]]) -> dict[str, Any]:
    instance = node["instance"] or {}
    seconds = {run["verb"]: _seconds(run) for run in runs if run["state"] == "done"}
    return {
        "name": node["name"],
        "bmc": node["bmc"],
        "state": node["state"],
        "address": instance.get("address"),
        "role": instance.get("role"),
        "error": node["last_error"],
        **{phase: seconds.get(phase) for phase in PHASES},
    }


def _seconds(run: dict[str, Any]) -> int:
    end = datetime.fromisoformat(run["finished_at"])
    return round((end - datetime.fromisoformat(run["created_at"])).total_seconds())
