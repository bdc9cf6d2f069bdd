"""`undercloud node sensors` and `node sel`: what machines measure, and what their event logs say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from bootstrap.cli.console import Format, Output
from bootstrap.cli.events import local
from bootstrap.cli.node_bmc import Question, look
from bootstrap.cli.node_choice import Choice, Every, Nodes, Where

SENSORS = {"name": "SENSOR", "kind": "KIND", "reading": "READING", "limits": "LIMITS", "health": "HEALTH"}
ENTRIES = {"at": "TIME", "severity": "SEVERITY", "sensor": "SENSOR", "message": "MESSAGE"}
UNITS = {"Cel": "°C"}


def register(app: typer.Typer) -> None:
    app.command()(sensors)
    app.command()(sel)


def sensors(
    ctx: typer.Context,
    nodes: Nodes = None,
    where: Where = None,
    every: Every = False,
    bad: Annotated[bool, typer.Option("--bad", help="Only those whose health is not OK.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Read the sensors: temperatures, fans, voltages, power, and what is present.

    Examples: `undercloud node sensors node-1`, `undercloud node sensors --all --bad`
    """

    def cells(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for sensor in told["sensors"]:
            if not bad or sensor["health"] not in (None, "OK"):
                yield {**sensor, "reading": _reading(sensor), "limits": _limits(sensor)}

    look(ctx, Question("sensors", "reading sensors"), Choice(nodes, where, every), output, cells, SENSORS)


def _reading(sensor: dict[str, Any]) -> str | None:
    if sensor["value"] is None:
        return str(sensor["state"]) if sensor["state"] else None
    unit = UNITS.get(sensor["unit"], sensor["unit"] or "")
    return f"{sensor['value']:g} {unit}".rstrip()


def _limits(sensor: dict[str, Any]) -> str | None:
    low, high = sensor["low_critical"], sensor["high_critical"]
    if low is None and high is None:
        return None
    return f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"


def sel(
    ctx: typer.Context,
    nodes: Nodes = None,
    where: Where = None,
    every: Every = False,
    clear: Annotated[bool, typer.Option("--clear", help="Empty the log; what it held is shown.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show the system event log, oldest first.

    Examples: `undercloud node sel node-1`, `undercloud node sel --where state=available --clear -o json`
    """
    question = (
        Question("sel-clear", "clearing event logs") if clear else Question("sel", "reading event logs")
    )

    def cells(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if not told["entries"]:
            yield {"message": "empty"}
        for entry in told["entries"]:
            yield {**entry, "at": local(entry["at"]) if entry["at"] else None}
        if clear:
            yield {"message": f"cleared: {told['cleared']} entries"}

    look(ctx, question, Choice(nodes, where, every), output, cells, ENTRIES)
