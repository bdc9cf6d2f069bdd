"""Routes of runs and of the events that everything leaves."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from seed.api.context import Context, run_view


def routes(context: Context) -> APIRouter:
    """The routes /runs and /events."""
    router = APIRouter(tags=["runs"])

    @router.get("/runs/{run_id}")
    def run(run_id: int) -> dict[str, Any]:
        with context.store.read() as tx:
            return run_view(tx.runs.get(run_id))

    @router.get("/runs")
    def runs(node: str) -> list[dict[str, Any]]:
        with context.store.read() as tx:
            return [run_view(r) for r in tx.runs.of_node(tx.nodes.get(node).uuid)]

    @router.get("/events")
    def events(
        after: int = 0, node: str | None = None, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000
    ) -> list[dict[str, Any]]:
        """Events newer than number `after`; -1: none but the newest, to know where to start."""
        with context.store.read() as tx:
            uuid = tx.nodes.get(node).uuid if node else None
            last = tx.events.newest_id() - 1 if after < 0 else after
            return [asdict(event) for event in tx.events.after(last, node=uuid, limit=limit)]

    return router
