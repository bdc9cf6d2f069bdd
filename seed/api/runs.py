"""Routes of runs and of the events that everything leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from seed.api.context import Context, run_view
from seed.model import Event, Node, Run, RunState
from seed.store import Transaction

Count = Annotated[int, Query(ge=1, le=10_000)]


def routes(context: Context) -> APIRouter:
    """The routes /runs, /events and /nodes/{key}/history."""
    router = APIRouter(tags=["runs"])
    _of_runs(router, context)
    _of_events(router, context)
    return router


def _of_runs(router: APIRouter, context: Context) -> None:
    @router.get("/runs/{run_id}")
    def run(run_id: int) -> dict[str, Any]:
        """One run; `halted` is why it stands still until an operator lets it go on."""
        with context.store.read() as tx:
            found = tx.runs.get(run_id)
            return {**run_view(found), "halted": _halted(found, tx.nodes.get(found.node))}

    @router.get("/runs")
    def runs(node: str) -> list[dict[str, Any]]:
        with context.store.read() as tx:
            return [run_view(r) for r in tx.runs.of_node(tx.nodes.get(node).uuid)]


def _of_events(router: APIRouter, context: Context) -> None:
    @router.get("/events")
    def events(
        after: int = 0,
        last: Count | None = None,
        node: str | None = None,
        kind: str = "",
        limit: Count = 1000,
    ) -> list[dict[str, Any]]:
        """Oldest first: those newer than number `after`, or the `last` so many. `kind`: how it begins."""
        with context.store.read() as tx:
            uuid = tx.nodes.get(node).uuid if node else None
            if last is not None:
                return _views(tx, tx.events.newest(last, node=uuid, kind=kind))
            return _views(tx, tx.events.after(after, node=uuid, kind=kind, limit=limit))

    @router.get("/nodes/{key}/history")
    def history(key: str, last: Count = 200) -> dict[str, Any]:
        """What happened to a node, oldest first, and the runs that it was part of."""
        with context.store.read() as tx:
            node = tx.nodes.get(key)
            found = tx.events.newest(last, node=node.uuid)
            met = {event.run for event in found}
            runs = [run_view(run) for run in tx.runs.of_node(node.uuid) if run.id in met]
            return {"node": node.name, "events": _views(tx, found), "runs": runs}


def _views(tx: Transaction, events: Sequence[Event]) -> list[dict[str, Any]]:
    """Events as JSON, with what their nodes are called now."""
    names = tx.fleet.names({event.node for event in events})
    return [{**asdict(event), "node_name": names.get(event.node or "")} for event in events]


def _halted(run: Run, node: Node) -> str | None:
    if run.finished_at is not None:
        return None
    if node.maintenance:
        return f"in maintenance ({node.maintenance_reason or 'no reason given'}; {node.maintenance_by})"
    return run.reason or "held" if run.state is RunState.HELD else None
