"""Routes of plans, which change nothing, and of the rollouts that carry them out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from profiles.document import Strict
from profiles.site import Site
from seed.api.context import Context, Who
from seed.plans.plan import Options, Plan, Rollout, RowState
from seed.store import Transaction


class Wanted(Strict):
    """What should be true, of which nodes, and how it would be carried out."""

    site: Site
    targets: tuple[str, ...] = ()
    options: Options = Options()


class NewRollout(Strict):
    """A plan as it was made, to be carried out so and no otherwise."""

    plan: Plan
    options: Options = Options()


def routes(context: Context) -> APIRouter:
    """The routes /plans and /rollouts."""
    router = APIRouter(tags=["plans"])
    _planning(router, context)
    _looking(router, context)
    return router


def _planning(router: APIRouter, context: Context) -> None:
    @router.post("/plans")
    def plan(wanted: Wanted) -> dict[str, Any]:
        return context.apply.plan(wanted.site, wanted.targets, wanted.options).document()

    @router.post("/rollouts", status_code=201)
    def apply(new: NewRollout, who: Who) -> dict[str, Any]:
        """`rollout` is null where the declaration was all that had to change, or nothing at all."""
        rollout = context.apply.open(new.plan, new.options, who)
        context.announce()
        if rollout is None:
            return {"rollout": None}
        with context.store.read() as tx:
            return {"rollout": _view(tx, rollout)}

    @router.post("/rollouts/{number}/stop")
    def stop(number: int, who: Who) -> dict[str, Any]:
        rollout = context.rollouts.stop(number, who)
        with context.store.read() as tx:
            return _view(tx, rollout)


def _looking(router: APIRouter, context: Context) -> None:
    @router.get("/rollouts")
    def all_rollouts() -> list[dict[str, Any]]:
        with context.store.read() as tx:
            counts = tx.rollouts.counts()
            return [{**asdict(each), "counts": counts[each.id]} for each in tx.rollouts.all()]

    @router.get("/rollouts/{number}")
    def one(number: int, state: Annotated[list[RowState] | None, Query()] = None) -> dict[str, Any]:
        """With its nodes; `state`, which may be repeated: those alone."""
        with context.store.read() as tx:
            rollout = tx.rollouts.get(number)
            return {**_view(tx, rollout), "nodes": tx.rollouts.progress(number, state or ())}

    @router.get("/rollouts/{number}/plan")
    def approved(number: int) -> dict[str, Any]:
        """The plan as it was approved, without its site."""
        with context.store.read() as tx:
            return tx.rollouts.plan(number)


def _view(tx: Transaction, rollout: Rollout) -> dict[str, Any]:
    return {**asdict(rollout), "counts": tx.rollouts.counts(rollout.id)[rollout.id]}
