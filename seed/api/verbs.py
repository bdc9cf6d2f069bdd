"""The route that asks many nodes for one verb: a whole fleet in one request and a few transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from seed.api.context import Context, Who, run_view
from seed.instances import NotDeployable
from seed.lifecycle import VerbRefused
from seed.model import Node
from seed.store.errors import Conflict, NotFound

AT_ONCE = 200  # nodes in one transaction: other writers wait for less than a second


class Asked(BaseModel):
    """Which nodes, by name or UUID, and what the steps are given."""

    model_config = ConfigDict(extra="forbid")
    nodes: tuple[str, ...] = Field(min_length=1)
    args: dict[str, Any] = {}


def routes(context: Context) -> APIRouter:
    """The routes under /verbs."""
    router = APIRouter(prefix="/verbs", tags=["nodes"])

    @router.post("/{verb}", status_code=202)
    def ask(verb: str, asked: Asked, who: Who) -> list[dict[str, Any]]:
        """One row for each node: the run that was started, or why there is none."""
        rows = []
        for first in range(0, len(asked.nodes), AT_ONCE):
            rows += _ask(context, asked.nodes[first : first + AT_ONCE], verb, who, asked.args)
        return rows

    return router


def _ask(
    context: Context, keys: Sequence[str], verb: str, who: str, args: dict[str, Any]
) -> list[dict[str, Any]]:
    with context.store.read() as tx:
        nodes = tx.nodes.named(keys)
    rows: dict[str, dict[str, Any]] = {key: {"node": key, "run": None, "error": None} for key in keys}
    requests = {}
    for key in rows:
        with _noting(rows[key]):
            requests[key] = context.requests.prepare(_found(nodes, key), verb, who, args)
    with context.store.write() as tx:
        for key, request in requests.items():
            with _noting(rows[key]):
                run = context.requests.start(tx, request)
                rows[key]["run"] = run_view(run) if run else None
    context.requests.wake()
    return list(rows.values())


def _found(nodes: dict[str, Node], key: str) -> Node:
    if key not in nodes:
        raise NotFound(f"no node '{key}'")
    return nodes[key]


@contextmanager
def _noting(row: dict[str, Any]) -> Iterator[None]:
    """One node that refuses does not keep the others from being asked."""
    try:
        yield
    except (Conflict, NotDeployable, NotFound, VerbRefused) as error:
        row["error"] = str(error)
