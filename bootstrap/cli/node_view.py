"""How a node looks in a list, and by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bootstrap.cli.bmc_view import abilities
from bootstrap.cli.console import text

FLAGS = ("maintenance", "fault", "protected", "retired")
COLUMNS = {"name": "NAME", "bmc": "BMC", "power": "POWER", "state": "STATE", "flags": "FLAGS", "step": "STEP"}
MORE = {"address": "ADDRESS", "serial": "SERIAL", "last_error": "LAST ERROR"}
# Told together with what they belong to.
_TOLD = {
    *("maintenance_reason", "maintenance_by", "retired_reason", "protected_reason"),
    *("expected_power", "inventory", "run", "evidence", "abilities", *FLAGS),
}


def columns(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Those of the list; flags only where any node has one."""
    plain = COLUMNS | MORE
    return plain if any(row["flags"] for row in rows) else {k: v for k, v in plain.items() if k != "flags"}


def row(node: dict[str, Any]) -> dict[str, Any]:
    """A node as a row of the list."""
    return {
        **node,
        "address": (node["instance"] or {}).get("address"),
        "power": power(node),
        "flags": [flag for flag in FLAGS if node[flag]] or None,
        "step": step(node["run"]) if node["run"] else None,
    }


def power(node: dict[str, Any]) -> str | None:
    """What was last seen, and what it should be where nobody is working on the node."""
    seen, expected = node["power"], node["expected_power"]
    if seen and expected and seen != expected and not node["run"]:
        return f"{seen}, expected {expected.removeprefix('power ')}"
    return str(seen) if seen else None


def step(run: dict[str, Any]) -> str:
    """Where a run is, and which attempt it is when there was one that went wrong."""
    if not run["attempt"]:
        return str(run["step"])
    most = re.search(r"\(attempt \d+( of \d+)\)$", run["reason"] or "")
    return f"{run['step']} (attempt {run['attempt'] + 1}{most[1] if most else ''})"


def lines(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A node by itself: name and value of all that is known, its inventory aside."""
    for key, value in node.items():
        if key == "power":
            yield key, text(power(node))
        elif key not in _TOLD:
            yield key, text(value)
    for flag in FLAGS:
        if node[flag]:
            yield flag, _flag(node, flag)
    for name, what in abilities(node["abilities"] or {}).items():
        if what:
            yield name.lower(), what
    if node["run"]:
        yield "run", _run(node["run"])
    if node.get("evidence"):
        yield from _evidence(node["evidence"])


def _evidence(event: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What was erased when the machine was decommissioned: when, for whom, and each disk."""
    data = event["data"]
    yield "decommissioned", f"{event['at'][:19]} UTC for {data['who']}, by agent {data['agent']}"
    for disk in data["disks"]:
        size = f"{(disk['size_bytes'] or 0) / 1e9:.1f} GB"
        yield "erased", f"{disk['name']} {size} serial {text(disk['serial'])} by {disk['method']}"


def _flag(node: dict[str, Any], flag: str) -> str:
    if flag == "fault":
        return str(node["fault"])
    by = node.get(f"{flag}_by")
    return f"{node[f'{flag}_reason'] or 'no reason given'}{f' (by {by})' if by else ''}"


def _run(run: dict[str, Any]) -> str:
    reason = f": {run['reason']}" if run["reason"] else ""
    return f"#{run['id']} {run['verb']}, by {run['who']}, {run['state']} at {step(run)}{reason}"
