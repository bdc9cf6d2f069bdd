"""Boot ISOs over HTTP, for BMCs: whole, or in ranges (RFC 9110 section 14), as most read them."""

from __future__ import annotations

import re

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from seed.api.booting import client, found
from seed.boot import Boot
from seed.media import BootMedia, Offer


def routes(app: FastAPI, boot: Boot, media: BootMedia) -> None:
    _http_boot(app, boot, media)

    @app.api_route("/media/{node}/{token}.iso", methods=["GET", "HEAD"])
    def iso(node: str, token: str, request: Request) -> Response:
        offer = found(lambda: media.read(node, token))
        if request.method == "GET":
            media.fetched(node, token, client(request))
        return _answer(offer, request)


def _http_boot(app: FastAPI, boot: Boot, media: BootMedia) -> None:
    @app.api_route("/boot/{node}/ramdisk.iso", methods=["GET", "HEAD"])  # UEFI asks for the size first
    def ramdisk(node: str, request: Request) -> Response:
        offer = found(lambda: media.over_http(node))
        if request.method == "GET":
            boot.fetched_loader("ramdisk.iso", client(request))
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
