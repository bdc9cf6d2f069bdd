"""Routes that tell how BMCs behave, and the one that has a mended BMC asked again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from hwdrivers.address import BMCAddress
from seed.api.context import Context, Who
from seed.learnt import by_model, models


class Mended(BaseModel):
    """A BMC that is to be asked again."""

    model_config = ConfigDict(extra="forbid")
    address: str


def routes(context: Context) -> APIRouter:
    """The routes under /nodes/KEY/bmc and /bmcs."""
    router = APIRouter(tags=["bmcs"])

    @router.get("/nodes/{key}/bmc")
    def stats(key: str) -> dict[str, Any]:
        """How this node's BMC behaves, and whether it is asked at all now."""
        with context.store.read() as tx:
            node = tx.nodes.get(key)
        known = {"node": node.name, "vendor": node.vendor, "model": node.model, "firmware": node.bmc_firmware}
        return {**known, **context.governor.view(BMCAddress.parse(node.bmc))}

    @router.delete("/nodes/{key}/bmc", status_code=204)
    def reset(key: str, who: Who) -> None:
        """Forget its refused log-ins, and that it is left alone: somebody has mended it."""
        with context.store.write() as tx:
            node = tx.nodes.get(key)
            tx.events.add("bmc.reset", f"{node.bmc} is asked again, by {who}", node=node.uuid, who=who)
        context.governor.forget(BMCAddress.parse(node.bmc))

    @router.post("/bmcs/reset", status_code=204)
    def reset_address(mended: Mended, who: Who) -> None:
        """The same for a BMC that need not be enrolled."""
        address = BMCAddress.parse(mended.address)
        with context.store.write() as tx:
            tx.events.add("bmc.reset", f"{address} is asked again, by {who}", who=who)
        context.governor.forget(address)

    @router.get("/bmcs/learnt")
    def learnt() -> list[dict[str, Any]]:
        """How the BMCs of each vendor and model behave."""
        with context.store.read() as tx:
            known = models(tx)
        return by_model(context.governor.documents(), known)

    return router
