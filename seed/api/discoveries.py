"""Routes of discovery; the answer is a stream of JSON lines."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from seed.api.context import Context, Who
from seed.api.lines import streamed
from seed.discovery import Discovery, Wish
from seed.discovery_login import MOST_REFUSED


class ManifestFile(BaseModel):
    """A manifest as it was written; `name` ends as its kind does (.csv, .yaml)."""

    model_config = ConfigDict(extra="forbid")
    name: str
    text: str


class NewDiscovery(BaseModel):
    """Where to look, with which log-ins (in this order), and whether to enrol what is found."""

    model_config = ConfigDict(extra="forbid")
    ranges: list[str]
    exclude: list[str] = []
    credentials: list[str] = []
    protocol: Literal["ipmi", "redfish"] | None = None
    ports: list[str] = []
    rate: float | None = Field(None, ge=1, le=1_000_000, allow_inf_nan=False)
    enroll: bool = False
    manifest: ManifestFile | None = None
    most_refused: int = Field(MOST_REFUSED, ge=1, le=10)
    check_defaults: bool = False

    def wish(self) -> Wish:
        values = {name: getattr(self, name) for name in type(self).model_fields if name != "manifest"}
        return Wish(**values, manifest=(self.manifest.name, self.manifest.text) if self.manifest else None)


def routes(context: Context) -> APIRouter:
    """The routes under /discoveries."""
    router = APIRouter(tags=["discoveries"])
    discovery = Discovery(context.store, context.declarations, context.bmcs)

    @router.post("/discoveries")
    def discover(new: NewDiscovery, who: Who) -> StreamingResponse:
        """Lines with one key: progress, found, machine, gone, manifest (see `Discovery.run`), failed."""
        prepared = discovery.prepare(new.wish())
        return streamed(lambda ended: discovery.run(prepared, who, ended))

    return router
