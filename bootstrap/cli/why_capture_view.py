"""How a capture's machines and DHCP servers look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bootstrap.cli.console import Format, out, show
from bootstrap.cli.events import local
from bootstrap.cli.why import show_diagnosis


def show_servers(servers: list[dict[str, Any]]) -> None:
    if not servers:
        out.print("No DHCP server answers in this capture.\n", style="bold")
        return
    rows = [{**each, "files": list(each["files"]) or None, "what": _gives(each)} for each in servers]
    columns = {
        "address": "DHCP SERVER",
        "mac": "MAC",
        "what": "GIVES",
        "answers": "ANSWERS",
        "files": "BOOT FILES",
    }
    show(rows, columns, Format.TABLE)
    out.print()


def _gives(server: dict[str, Any]) -> str:
    return "addresses" if server["gives_addresses"] else "boot files alone (proxyDHCP)"


def show_machines(machines: list[dict[str, Any]], path: Path) -> None:
    rows = [
        {
            **machine,
            "tries": len(machine["attempts"]),
            "why": machine["attempts"][-1]["diagnosis"]["summary"].removeprefix(f"{machine['mac']} "),
        }
        for machine in machines
    ]
    columns = {
        "mac": "MACHINE",
        "firmware": "FIRMWARE",
        "address": "ADDRESS",
        "tries": "ATTEMPTS",
        "why": "WHY",
    }
    show(rows, columns, Format.TABLE)
    out.print(f"\nOne of them: `undercloud why --pcap {path} --mac {machines[0]['mac']}`", markup=False)


def show_machine(machine: dict[str, Any]) -> None:
    for number, attempt in enumerate(machine["attempts"], 1):
        last = number == len(machine["attempts"])
        if len(machine["attempts"]) > 1:
            out.print(f"Attempt {number} of {len(machine['attempts'])}", style="bold")
        if last:
            _show_story(attempt["seen"])
            show_diagnosis(machine["mac"], attempt["diagnosis"])
        else:
            out.print(f"{attempt['diagnosis']['summary']}.\n", markup=False)


def _show_story(seen: list[dict[str, Any]]) -> None:
    """Each thing that was seen, once in a row."""
    rows: list[dict[str, Any]] = []
    for each in seen:
        if rows and rows[-1]["message"] == each["message"]:
            rows[-1]["times"] += 1
        else:
            rows.append({**each, "at": local(each["at"].isoformat()), "times": 1})
    for row in rows:
        row["message"] += f" ({row['times']} times)" if row["times"] > 1 else ""
    show(rows, {"at": "TIME", "message": "SEEN"}, Format.TABLE)
    out.print()
