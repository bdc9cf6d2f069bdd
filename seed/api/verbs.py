"""The route that asks many nodes for one verb: a whole fleet in one request and a few transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from hwdrivers.credentials import Secret
from seed.api.context import Context, Who, run_view
from seed.instances import NotDeployable
from seed.lifecycle import VerbRefused
from seed.model import Node
from seed.store.errors import Conflict, NotFound

AT_ONCE = 200  # nodes in one transaction: other writers wait for less than a second


class Asked(BaseModel):
    """Which nodes, by name or UUID, and what the steps are given; `secrets` appear in no run and no event."""

    model_config = ConfigDict(extra="forbid")
    nodes: tuple[str, ...] = Field(min_length=1)
    args: dict[str, Any] = {}
    secrets: dict[str, SecretStr] = {}

    def revealed(self) -> dict[str, Secret]:
        """As steps take them."""
        return {name: Secret(secret.get_secret_value()) for name, secret in self.secrets.items()}


def routes(context: Context) -> APIRouter:
    """The routes under /verbs."""
    router = APIRouter(prefix="/verbs", tags=["nodes"])

    @router.post("/{verb}", status_code=202)
    def ask(verb: str, asked: Asked, who: Who) -> Any:
        """One row for each node: the run that was started, or why there is none."""
        rows = []
        for first in range(0, len(asked.nodes), AT_ONCE):
            rows += _ask(context, asked.nodes[first : first + AT_ONCE], verb, who, asked)
        return JSONResponse(rows, 202)  # plain values: as in the list of nodes, for a fleet's sake

    return router


def _ask(context: Context, keys: Sequence[str], verb: str, who: str, asked: Asked) -> list[dict[str, Any]]:
    with context.store.read() as tx:
        nodes = tx.nodes.named(keys)
    rows: dict[str, dict[str, Any]] = {key: {"node": key, "run": None, "error": None} for key in keys}
    requests = {}
    for key in rows:
        with _noting(rows[key]):
            node, secrets = _found(nodes, key), asked.revealed()
            requests[key] = context.requests.prepare(node, verb, who, asked.args, secrets)
    with context.store.write() as tx:
        answers = context.requests.start_all(tx, [*requests.values()])
    for key, answer in zip(requests, answers, strict=True):
        if isinstance(answer, Exception):
            rows[key]["error"] = str(answer)
        elif answer is not None:
            rows[key]["run"] = run_view(answer)
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
