"""The route that sets flags beside the state on many nodes: all of them, or none."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from seed.api.context import Context, Who, run_view
from seed.flags import Flags, put_flags
from seed.model import PowerPolicy
from seed.store import Transaction

# One line that a terminal shows as it is.
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
FLAGS = ("maintenance", "retired", "protected", "power_policy")


class Wanted(BaseModel):
    """Which nodes, by name or UUID, and what is to be said of them."""

    model_config = ConfigDict(extra="forbid")
    nodes: tuple[str, ...] = Field(min_length=1, max_length=10_000)
    maintenance: bool | None = None
    retired: bool | None = None
    protected: bool | None = None
    power_policy: PowerPolicy | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def _something(self) -> Wanted:
        if all(getattr(self, flag) is None for flag in FLAGS):
            raise ValueError(f"say at least one of {', '.join(FLAGS)}")
        return self

    def flags(self) -> Flags:
        return Flags(**self.model_dump(exclude={"nodes"}))


def routes(context: Context) -> APIRouter:
    """The route /nodes/flags."""
    router = APIRouter(prefix="/nodes", tags=["nodes"])

    @router.post("/flags")
    def put(wanted: Wanted, who: Who) -> list[dict[str, Any]]:
        """One row for each node: whether that changed anything, and the run that is under way on it."""
        with context.store.write() as tx:
            changed = put_flags(tx, wanted.nodes, wanted.flags(), who)
            names = tx.fleet.names(changed)
            rows = [_row(tx, uuid, names[uuid], moved) for uuid, moved in changed.items()]
        context.requests.wake()
        return rows

    return router


def _row(tx: Transaction, uuid: str, name: str, changed: bool) -> dict[str, Any]:
    run = tx.runs.live(uuid)
    return {"node": name, "uuid": uuid, "changed": changed, "run": run_view(run) if run else None}
