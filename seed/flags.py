"""What an operator says of a node beside its state: maintenance, retired, protected, its power policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seed.model import Node, PowerPolicy
from seed.store import Transaction
from seed.store.errors import NotFound

# Each flag, and how it reads in an event when it is set and when it is taken away.
WORDS = {
    "maintenance": ("in maintenance", "out of maintenance"),
    "retired": ("retired", "not retired any more"),
    "protected": ("protected", "not protected any more"),
}


@dataclass(frozen=True)
class Flags:
    """What is to be so; None leaves it as it is. `reason` is why the flags that are given are set."""

    maintenance: bool | None = None
    retired: bool | None = None
    protected: bool | None = None
    power_policy: PowerPolicy | None = None
    reason: str | None = None


def refusal(node: Node, event: str, *, destroys_data: bool) -> str | None:
    """Why its flags keep a node from what is asked of it, after "it is"; None when they do not."""
    if node.maintenance:
        reason, who = node.maintenance_reason or "no reason given", node.maintenance_by or "unknown"
        return f"in maintenance ({reason}; {who}): end that first"
    if node.protected and destroys_data:
        return f"{protection(node)} and '{event}' destroys data"
    if node.retired and event in ("provide", "deploy", "rebuild"):
        return f"retired ({node.retired_reason or 'no reason given'}) and gets no new instance"
    return None


def protection(node: Node) -> str:
    return f"protected ({node.protected_reason or 'no reason given'})"


def put_flags(tx: Transaction, keys: Sequence[str], wanted: Flags, who: str) -> dict[str, bool]:
    """Set flags on these nodes (names or UUIDs); says by UUID whether that changed anything.

    Raises NotFound naming all that are not there. Whoever commits wakes the conductor.
    """
    found = tx.nodes.named(keys)
    if missing := [f"'{key}'" for key in dict.fromkeys(keys) if key not in found]:
        raise NotFound(f"nothing was changed: there is no node {', '.join(missing)}")
    nodes = {node.uuid: node for node in found.values()}
    return {uuid: put_on(tx, node, wanted, who) for uuid, node in nodes.items()}


def put_on(tx: Transaction, node: Node, wanted: Flags, who: str) -> bool:
    """Set flags on one node; says whether that changed anything."""
    changes = [*_flags(node, wanted, who), *_policy(node, wanted, who)]
    for kind, message, facts in changes:
        tx.nodes.update(node.uuid, **facts)
        tx.events.add(f"node.{kind}", message, node=node.uuid, who=who)
        if "maintenance" in facts:
            halt_or_go_on(tx, node.uuid, maintenance=facts["maintenance"])
    return bool(changes)


def halt_or_go_on(tx: Transaction, uuid: str, *, maintenance: bool) -> None:
    """What maintenance means for the run that is under way: no seed takes it until that ends."""
    if maintenance:
        tx.runs.stand_still(uuid)
    else:
        tx.runs.wake(uuid, anew=True)


def _flags(node: Node, wanted: Flags, who: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for flag, (on, off) in WORDS.items():
        to, reason = getattr(wanted, flag), wanted.reason
        known = getattr(node, f"{flag}_reason")
        if to is None or (to == getattr(node, flag) and not (to and reason and reason != known)):
            continue
        facts: dict[str, Any] = {flag: to, f"{flag}_reason": reason if to else None}
        if flag == "maintenance":
            facts["maintenance_by"] = who if to else None
        yield flag, f"{on if to else off}, by {who}{f': {reason}' if reason else ''}", facts


def _policy(node: Node, wanted: Flags, who: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    policy = wanted.power_policy
    if policy not in (None, node.power_policy):
        yield (
            "power_policy",
            f"power policy {node.power_policy} → {policy}, by {who}",
            {"power_policy": policy},
        )
