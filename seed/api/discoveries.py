"""Routes of discovery; the answer is a stream of JSON lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from seed.api.context import Context, Who
from seed.discovery import Discovery


class NewDiscovery(BaseModel):
    """Where to look, with which log-in, and whether to enrol what is found."""

    model_config = ConfigDict(extra="forbid")
    ranges: list[str]
    credentials: str
    enroll: bool = False


def routes(context: Context) -> APIRouter:
    """The routes under /discoveries."""
    router = APIRouter(tags=["discoveries"])
    discovery = Discovery(context.store, context.declarations)

    @router.post("/discoveries")
    def discover(new: NewDiscovery, who: Who) -> StreamingResponse:
        targets, login = discovery.prepare(new.ranges, new.credentials)

        async def lines() -> AsyncIterator[str]:
            documents = discovery.run(targets, login, new.credentials, who, enroll=new.enroll)
            async for document in documents:
                yield json.dumps(document) + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    return router
