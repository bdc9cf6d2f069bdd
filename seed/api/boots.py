"""Routes of boots: how a node's attempts went, hop by hop, and why it does not get there."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from hwdrivers.bmc import PowerState
from hwdrivers.errors import BMCError
from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.diagnose import diagnose
from pxe.diagnosis.diagnosis import Diagnosis, Evidence, Verdict
from pxe.diagnosis.timeline import timeline
from seed.api.context import Context
from seed.boot_times import usual
from seed.boots import Told
from seed.model import Node
from seed.store.errors import NotFound, WrongKey

Count = Annotated[int, Query(ge=1, le=50)]


def routes(context: Context) -> APIRouter:
    """The routes /nodes/{key}/boots and /nodes/{key}/why."""
    router = APIRouter(prefix="/nodes/{key}", tags=["boots"])

    @router.get("/boots")
    def boots(key: str, last: Count = 5) -> dict[str, Any]:
        """The newest attempts to boot, the newest first."""
        node, found = _found(context, key, last)
        views = [_view(number, told) for number, told in enumerate(found, 1)]
        return {"node": node.name, "boots": [view for view in views if view["hops"]]}

    @router.get("/why")
    def why(key: str) -> dict[str, Any]:
        """What the newest attempt came to; while it is not up, its BMC is asked whether it has power."""
        node, (told, *_) = _found(context, key, 1)
        found = diagnose(told.attempt)
        if found.verdict is not Verdict.UP:
            attempt, silent = _asked(context, node, told.attempt)
            found = diagnose(attempt)
            found = replace(found, evidence=(*found.evidence, *silent))
        run = told.run.id if told.run else None
        return {"node": node.name, "run": run, "last_error": node.last_error, **diagnosis_view(found)}

    return router


def diagnosis_view(found: Diagnosis) -> dict[str, Any]:
    """As JSON."""
    view = asdict(found)
    evidence = [{"at": _iso(each.at), "text": each.text} for each in found.evidence]
    return {**view, "evidence": evidence, "causes": [asdict(cause) for cause in found.causes]}


def _found(context: Context, key: str, most: int) -> tuple[Node, list[Told]]:
    with context.store.read() as tx:
        node = tx.nodes.get(key)
        return node, context.boots.of(tx, node, most, usual(tx))


def _asked(context: Context, node: Node, attempt: Attempt) -> tuple[Attempt, tuple[Evidence, ...]]:
    try:
        with context.bmcs.open(node) as bmc:
            return replace(attempt, powered=bmc.power_state() is PowerState.ON), ()
    except (BMCError, NotFound, WrongKey) as error:  # its credentials may be gone
        return replace(attempt, powered=None), (Evidence(f"its BMC does not tell its power: {error}"),)


def _view(number: int, told: Told) -> dict[str, Any]:
    attempt, run = told.attempt, told.run
    return {
        "attempt": number,
        "began": _iso(told.began),
        "ended": _iso(told.ended),
        "way": attempt.way,
        "run": {"id": run.id, "verb": run.verb, "state": run.state} if run else None,
        "hops": [{**asdict(line), "at": _iso(line.at)} for line in timeline(attempt)],
        "diagnosis": diagnosis_view(diagnose(attempt)),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
