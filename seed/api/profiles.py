"""Routes of the declared hosts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from profiles.hosts import Profiles
from seed.api.context import Context, Who


def routes(context: Context) -> APIRouter:
    """The routes under /profiles."""
    router = APIRouter(prefix="/profiles", tags=["profiles"])

    @router.get("")
    def current() -> dict[str, Any]:
        with context.store.read() as tx:
            return tx.documents.profiles().model_dump(mode="json")

    @router.put("")
    def replace(profiles: Profiles, who: Who) -> dict[str, Any]:
        matched = context.declarations.declare(profiles, who)
        context.announce()
        return {"hosts": len(profiles.hosts), "matched": len(matched)}

    return router
