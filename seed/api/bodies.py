"""What a request is told whose body is not as it should be."""

from __future__ import annotations

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse


def refuse_body(_: Request, error: Exception) -> JSONResponse:
    """Where and why; what was sent is not repeated, for it may be a password or a token."""
    if not isinstance(error, RequestValidationError):
        raise TypeError("this handles RequestValidationError alone")
    found = [
        {"loc": item["loc"], "msg": item["msg"].removeprefix("Value error, "), "type": item["type"]}
        for item in error.errors()
    ]
    return JSONResponse({"detail": found}, 422)
