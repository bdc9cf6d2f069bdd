"""Boot ISOs over HTTP, for BMCs: whole, or in ranges (RFC 9110 section 14), as most read them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from pxe.images import ImageError
from seed.media import BootMedia, Offer
from seed.store.errors import NotFound

T = TypeVar("T")


def routes(app: FastAPI, media: BootMedia) -> None:
    @app.api_route("/media/{node}/{token}.iso", methods=["GET", "HEAD"])
    def iso(node: str, token: str, request: Request) -> Response:
        offer = _found(lambda: media.read(node, token))
        if request.method == "GET":
            media.fetched(node, token, request.client.host if request.client else "unknown")
        return _answer(offer, request)


def _answer(offer: Offer, request: Request) -> Response:
    size = offer.iso.size
    start, end = _range(request.headers.get("range", ""), size)
    whole = (start, end) == (0, size)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(end - start), "Cache-Control": "no-store"}
    if not whole:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    status, kind = 200 if whole else 206, "application/x-iso9660-image"
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=kind)
    return StreamingResponse(offer.content(start, end), status, headers, kind)


def _range(header: str, size: int) -> tuple[int, int]:
    """What is asked for, as [start, end); all, where it is no single range of bytes. Raises HTTPException."""
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", header.replace(" ", ""))
    if asked is None or asked.groups() == ("", ""):
        return 0, size
    first, last = asked.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        raise HTTPException(416, "there are no such bytes", headers={"Content-Range": f"bytes */{size}"})
    return start, end


def _found(get: Callable[[], T]) -> T:
    try:
        return get()
    except NotFound as error:
        raise HTTPException(404, str(error)) from error
    except ImageError as error:
        raise HTTPException(503, str(error)) from error
