"""What firmware and boot loaders ask over HTTP: loaders and scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse

from pxe.firmware import path_of
from pxe.images import ImageError
from pxe.ipxe import entry_script
from seed.boot import Boot, ScriptRefused, asked_by
from seed.store.errors import Conflict, NotFound

T = TypeVar("T")


def routes(app: FastAPI, boot: Boot, base_url: str) -> None:
    _scripts(app, boot, base_url)
    _loaders(app, boot)


def _scripts(app: FastAPI, boot: Boot, base_url: str) -> None:
    @app.get("/boot.ipxe", response_class=PlainTextResponse)
    def entry() -> str:
        return entry_script(f"{base_url}/boot/script")

    @app.get("/boot/script", response_class=PlainTextResponse)
    def script(request: Request, mac: str, uuid: str | None = None, serial: str | None = None) -> str:
        try:
            return boot.script_for(asked_by(mac, uuid, serial, client(request)))
        except ScriptRefused as error:
            raise HTTPException(404, str(error)) from error
        except ImageError as error:
            raise HTTPException(503, str(error)) from error

    @app.get("/boot/{node}/own")
    def own(node: str, request: Request) -> Response:
        own = found(lambda: boot.own_initramfs(node, client(request)))
        return Response(own, media_type="application/octet-stream")


def _loaders(app: FastAPI, boot: Boot) -> None:
    @app.api_route("/boot/loader/{name}", methods=["GET", "HEAD"])  # UEFI asks for the size first
    def loader(name: str, request: Request) -> Response:
        path = path_of(name)
        if path is None:
            raise HTTPException(404, f"there is no boot loader {name}")
        if request.method == "GET":
            boot.fetched_loader(name, client(request))
        return FileResponse(path, media_type="application/efi")


def client(request: Request) -> str:
    """The address that a machine asks from."""
    return request.client.host if request.client else "unknown"


def found(get: Callable[[], T]) -> T:
    """What it gives; what is not there is 404, and a broken image 503: machines ask again then."""
    try:
        return get()
    except (NotFound, Conflict):  # whose words list what there is instead, which is no stranger's business
        raise HTTPException(404, "there is no such thing for this machine") from None
    except ImageError as error:
        raise HTTPException(503, str(error)) from error
