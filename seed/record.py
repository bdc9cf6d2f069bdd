"""Write down what answers made of runs and nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from seed.advance import Change
from seed.store import Transaction


def facts(tx: Transaction, change: Change) -> None:
    """Save what was learnt about the node; raises Conflict when it contradicts another node."""
    if "power" in change.facts:
        change.facts["expected_power"] = change.facts["power"]
    if change.facts:
        tx.nodes.update(change.run.node, **change.facts)


def changes(
    tx: Transaction, made: Sequence[Change], keep: Mapping[int, tuple[str, datetime]] | None = None
) -> None:
    """Save runs, states and events, whose facts are saved, together; `keep`: runs that stay with a seed."""
    tx.runs.save([change.run for change in made], keep)
    tx.nodes.move_many({c.node.uuid: (c.node.state, c.target_state) for c in made if c.moved})
    for change in made:
        for kind, message, data in change.events:
            tx.events.add(kind, message, node=change.run.node, run=change.run.id, **data)
