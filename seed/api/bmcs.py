"""Routes of BMCs that need not be enrolled; the answer is a stream of JSON lines."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BMC, Endpoint
from hwdrivers.errors import BMCError
from hwdrivers.look import look
from seed.api.context import Context

_QUIET = 10.0  # seconds after which a word comes: who waits in silence for two minutes hangs up


class BMCToShow(BaseModel):
    """Where it is, and which log-in of the store to use."""

    model_config = ConfigDict(extra="forbid")
    address: str
    credentials: str


def routes(context: Context) -> APIRouter:
    """The routes under /bmcs."""
    router = APIRouter(tags=["bmcs"])

    @router.post("/bmcs/show")
    def show(wanted: BMCToShow) -> StreamingResponse:
        address = BMCAddress.parse(wanted.address)
        with context.store.read() as tx:
            credentials = tx.credentials.get(wanted.credentials)
        documents = _looking(Endpoint(address, credentials), context.governor.connect)
        lines = (json.dumps(document) + "\n" for document in documents)
        return StreamingResponse(lines, media_type="application/x-ndjson")

    return router


def _looking(endpoint: Endpoint, connect: Callable[[Endpoint], BMC]) -> Iterator[dict[str, Any]]:
    """What `look` tells; an error is the last document; the last word again where the BMC is slow."""
    told: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def work() -> None:
        try:
            for document in look(endpoint, connect):
                told.put(document)
        except BMCError as error:
            told.put({"error": str(error)})
        finally:
            told.put(None)

    threading.Thread(target=work, name="look", daemon=True).start()
    word: dict[str, Any] = {}
    while True:
        try:
            document = told.get(timeout=_QUIET)
        except queue.Empty:
            yield word
            continue
        if document is None:
            return
        word = document
        yield document
