"""What a verb destroys on nodes, told in words and confirmed before it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console

from bootstrap.cli.console import CommandError, err
from seed.lifecycle import ironic_39
from seed.wanted_steps import TAKE_STEPS, WantedStep

GRAPH = ironic_39()


def confirm(verb: str, nodes: Sequence[dict[str, Any]], steps: Sequence[WantedStep], to: Console) -> None:
    """Ask where anything is lost; raises CommandError where nobody can be asked, or who is says no."""
    ask(verb, [(node, words) for node in nodes if (words := loss(verb, node, steps))], to)


def ask(what: str, at_stake: Sequence[tuple[dict[str, Any], str]], to: Console) -> None:
    """Say of each node what is at stake, and ask; the same, where nothing is known of the graph."""
    if not at_stake:
        return
    for node, words in at_stake:
        to.print(f"{node['name']} ({node['state']}): {words}", markup=False, soft_wrap=True)
    if not sys.stdin.isatty():
        raise CommandError("nothing was changed: nobody can be asked here, so say --yes if this is meant")
    if not typer.confirm(f"{what} {len(at_stake)} node(s)?", default=False, err=to is err):
        raise CommandError("nothing was changed")


def loss(verb: str, node: dict[str, Any], steps: Sequence[WantedStep]) -> str | None:
    """What is lost on this node; None when nothing is. `steps`: those of a verb that takes steps."""
    return "; ".join(words for words in (_stops(verb, node), _lost(verb, node, steps)) if words) or None


def _stops(verb: str, node: dict[str, Any]) -> str | None:
    """What runs on the machine, if `verb` boots its ramdisk instead."""
    if verb in ("service", "rescue") and node["state"] == "active":
        return f"its host is shut down {'until `unrescue`' if verb == 'rescue' else 'and boots again later'}"
    running = node["power"] == "power on" and node["next_boot"] != "ramdisk"
    if verb in ("inspect", "clean", "test") and running:
        return "it is powered on, and is switched off without asking what runs there"
    return None


def _lost(verb: str, node: dict[str, Any], steps: Sequence[WantedStep]) -> str | None:
    edges = [edge for edge in GRAPH.transitions if (edge.source, edge.event) == (node["state"], verb)]
    if verb in ("deploy", "rebuild") and node["deploy"] == "ramdisk":  # no disk is written
        return "what runs there ends" if node["state"] == "active" else None
    if verb not in TAKE_STEPS:
        return f"data on its disks is lost: {_disks(node)}" if any(e.destructive for e in edges) else None
    destroying = ", ".join(step.name for step in steps if step.destroys)
    return f"data on its disks is lost by {destroying}: {_disks(node)}" if edges and destroying else None


def _disks(node: dict[str, Any]) -> str:
    disks = (node["inventory"] or {}).get("disks", [])
    return ", ".join(f"{d['name']} serial {d['serial'] or 'unknown'}" for d in disks) or "not inspected yet"
