"""What operators ask: the application behind the `undercloud` command."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from hwdrivers.address import AddressError
from hwdrivers.errors import BMCError
from hwdrivers.targets import RangeError
from profiles.document import DocumentError
from pxe.images import ImageError
from seed.api import (
    bmcs,
    boots,
    conduct,
    consoles,
    credentials,
    discoveries,
    flags,
    images,
    nodes,
    operations,
    plans,
    profiles,
    runs,
    verbs,
)
from seed.api.bodies import refuse_body
from seed.api.context import Context
from seed.errors import StoreFailed
from seed.instances import NotDeployable
from seed.lifecycle import VerbRefused
from seed.store.errors import Conflict, NotFound, WrongKey
from seed.store.leases import NETWORK

# What went wrong, and how HTTP says it: 404 not there, 409 not now, 422 not like this, 500 here, 502 the BMC,
# 503 the store.
STATUS: dict[type[Exception], int] = {
    NotFound: 404,
    Conflict: 409,
    VerbRefused: 409,
    NotDeployable: 422,
    AddressError: 422,
    RangeError: 422,
    DocumentError: 422,
    ImageError: 422,
    BMCError: 502,
    WrongKey: 500,
    StoreFailed: 503,
}


def create(context: Context) -> FastAPI:
    """The application that listens on the seed's local socket."""
    app = FastAPI(title="undercloud", version="1")
    for module in (
        bmcs,
        *(nodes, flags, verbs, runs, boots, plans, credentials, profiles, discoveries),
        *(operations, consoles, conduct, images),
    ):
        app.include_router(module.routes(context), prefix="/v1")
    for kind, status in STATUS.items():
        app.add_exception_handler(kind, _handler(status))
    app.add_exception_handler(RequestValidationError, refuse_body)

    @app.get("/v1/seeds")
    def seeds() -> list[dict[str, Any]]:
        """The seeds that live and share this store, and which of them answers machines."""
        with context.store.read() as tx:
            leads = tx.leases.holder(NETWORK)
            return [{"name": name, "leads": name == leads} for name in tx.leases.seeds()]

    @app.get("/v1/health")
    def health() -> dict[str, str]:
        return {"status": "ok", "seed": context.name}

    return app


def _handler(status: int):  # type: ignore[no-untyped-def]
    def handle(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status)

    return handle
