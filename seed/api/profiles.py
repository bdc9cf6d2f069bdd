"""Routes of the declared hosts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from profiles.site import Site
from seed.api.context import Context, Who


def routes(context: Context) -> APIRouter:
    """The routes under /profiles."""
    router = APIRouter(prefix="/profiles", tags=["profiles"])

    @router.get("")
    def current() -> dict[str, Any]:
        """As it was declared, with every host's profile filled in."""
        with context.store.read() as tx:
            site = tx.documents.site()
        hosts = [host.model_dump(mode="json") for host in site.filled()]
        return {**site.document(), "hosts": hosts}

    @router.put("")
    def replace(site: Site, who: Who) -> dict[str, Any]:
        matched = context.declarations.declare(site, who)
        context.announce()
        context.requests.wake()  # a maintenance may have ended
        return {"hosts": len(site.hosts), "matched": len(matched)}

    return router
