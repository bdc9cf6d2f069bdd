"""Routes of what BMCs are asked for operators: looks and harmless changes at once, the rest as runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seed.api.context import Context, Who, run_view
from seed.api.lines import streamed
from seed.model import Run
from seed.operations.all import OPERATIONS
from seed.operations.fan_out import FanOut
from seed.operations.operation import Arguments
from seed.operations.runs import KINDS, BMCRuns
from seed.store.errors import NotFound


class Asked(BaseModel):
    """Which nodes, by name or UUID, and what the operation is given."""

    model_config = ConfigDict(extra="forbid")
    nodes: tuple[str, ...] = Field(min_length=1, max_length=100_000)
    args: dict[str, Any] = {}


def routes(context: Context) -> APIRouter:
    """The routes under /operations and /bmc-runs."""
    router = APIRouter(tags=["operations"])
    fan_out = FanOut(context.store, context.bmcs, context.governor)
    runs = BMCRuns(context.store, context.lifecycle, context.requests.wake)

    @router.post("/operations/{name}")
    def operate(name: str, asked: Asked, who: Who) -> StreamingResponse:
        """Ask the BMCs now; a line for each node, as they answer."""
        operation = _known(name, OPERATIONS)
        arguments = _arguments(operation.arguments, asked)
        return streamed(lambda ended: fan_out.rows(asked.nodes, operation, arguments, who, ended))

    @router.post("/bmc-runs/{verb}", status_code=202)
    def run(verb: str, asked: Asked, who: Who) -> JSONResponse:
        """Start a run on each node; a row for each: the run, or why there is none."""
        arguments = _arguments(_known(verb, KINDS).arguments, asked)
        answers = runs.start(asked.nodes, verb, arguments, who)
        return JSONResponse([_row(*pair) for pair in zip(asked.nodes, answers, strict=True)], 202)

    return router


def _known(name: str, table: Any) -> Any:
    if name not in table:
        raise NotFound(f"nothing is called '{name}'; there are: {', '.join(table)}")
    return table[name]


def _arguments(model: type[Arguments], asked: Asked) -> Arguments:
    """As the body's own fields are checked, and refused in the same words."""
    try:
        return model.model_validate(asked.args)
    except ValidationError as error:
        raise RequestValidationError([_located(item) for item in error.errors()]) from None


def _located(item: Mapping[str, Any]) -> dict[str, Any]:
    return {**item, "loc": ("body", "args", *item["loc"])}


def _row(key: str, answer: Run | str) -> dict[str, Any]:
    if isinstance(answer, Run):
        return {"node": key, "run": run_view(answer), "error": None}
    return {"node": key, "run": None, "error": answer}
