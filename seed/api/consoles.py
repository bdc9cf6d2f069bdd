"""Routes of serial consoles: live, and what was captured of runs. Bytes travel in base64."""

from __future__ import annotations

import base64
import queue
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import Base64Bytes, BaseModel, ConfigDict

from hwdrivers.errors import BMCError
from seed.api.context import Context, Who
from seed.api.lines import streamed
from seed.model import Node
from seed.store import Transaction
from seed.store.errors import NotFound, WrongKey

SILENCE = 5.0  # seconds after which an empty line tells that the seed is still there


class Typed(BaseModel):
    """What was typed."""

    model_config = ConfigDict(extra="forbid")
    data: Base64Bytes


class Reader:
    """Who reads along at the other end of an answer."""

    def __init__(self) -> None:
        self._heard: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.why = ""

    def hear(self, data: bytes) -> None:
        self._heard.put(data)

    def end(self, why: str) -> None:
        self.why = why
        self._heard.put(None)

    def lines(self, ended: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """Until the console ends, which the last line tells, or nobody reads."""
        while not ended():
            try:
                data = self._heard.get(timeout=SILENCE)
            except queue.Empty:
                data = b""
            if data is None:
                yield {"ended": self.why}
                return
            yield {"data": base64.b64encode(data).decode()} if data else {}


def routes(context: Context) -> APIRouter:
    """The routes under /nodes/{key}/console."""
    router = APIRouter(prefix="/nodes/{key}/console", tags=["operations"])
    _live(router, context)
    _captured(router, context)
    return router


def _live(router: APIRouter, context: Context) -> None:
    @router.post("")
    def watch(key: str, who: Who) -> StreamingResponse:
        """{"open": ...} first, then what the machine writes: {"data": base64}, at last {"ended": why}."""
        with context.store.write() as tx:
            node = tx.nodes.get(key)
            tx.events.add("console", f"its console is watched by {who}", node=node.uuid, who=who)
            capturing = _captures_now(tx, context, node)

        def lines(ended: Callable[[], bool]) -> Iterator[dict[str, Any]]:
            reader = Reader()
            try:
                with context.consoles.joined(node, reader):
                    yield {"open": node.name, "run": capturing}
                    yield from reader.lines(ended)
            except (BMCError, NotFound, WrongKey) as error:
                yield {"failed": str(error)}

        return streamed(lines)

    @router.post("/typed", status_code=204)
    def typed(key: str, what: Typed) -> None:
        """What is typed is in no journal: it may be a password."""
        with context.store.read() as tx:
            node = tx.nodes.get(key)
        context.consoles.type(node, what.data)


def _captures_now(tx: Transaction, context: Context, node: Node) -> int | None:
    """The run that is under way, if its console is being captured here."""
    run = tx.runs.live(node.uuid)
    kept = [captured.run for captured in context.captured.kept(node.uuid)]
    return run.id if run and run.id in kept else None


def _captured(router: APIRouter, context: Context) -> None:
    @router.get("/captured")
    def kept(key: str) -> list[dict[str, Any]]:
        """The runs in which this seed captured something, oldest first, and how many bytes."""
        with context.store.read() as tx:
            node = tx.nodes.get(key)
            runs = {run.id: run.verb for run in tx.runs.of_node(node.uuid)}
        return [{**asdict(each), "verb": runs.get(each.run)} for each in context.captured.kept(node.uuid)]

    @router.get("/captured/{run}")
    def captured(key: str, run: int) -> dict[str, Any]:
        """All that was captured in a run."""
        with context.store.read() as tx:
            node = tx.nodes.get(key)
        data = context.captured.read(node.uuid, run)
        return {"node": node.name, "run": run, "data": base64.b64encode(data).decode()}
