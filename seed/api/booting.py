"""What firmware and boot loaders ask over HTTP: loaders, scripts, kernel, ramdisk, images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse

from pxe.firmware import path_of
from pxe.images import ImageError
from pxe.ipxe import entry_script
from seed.boot import Boot, ScriptRefused, asked_by
from seed.images import Images
from seed.store.errors import Conflict, NotFound

T = TypeVar("T")


def routes(app: FastAPI, boot: Boot, images: Images, base_url: str) -> None:
    _scripts(app, boot, base_url)
    _files(app, boot, images)


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


def _files(app: FastAPI, boot: Boot, images: Images) -> None:
    @app.api_route("/boot/loader/{name}", methods=["GET", "HEAD"])  # UEFI asks for the size first
    def loader(name: str, request: Request) -> Response:
        path = path_of(name)
        if path is None:
            raise HTTPException(404, f"there is no boot loader {name}")
        if request.method == "GET":
            boot.fetched_loader(name, client(request))
        return _file(path, "application/efi")

    @app.get("/boot/{node}/kernel")
    def kernel(node: str) -> Response:
        return _file(found(lambda: boot.ramdisk(node, "kernel")).kernel)

    @app.get("/boot/{node}/initramfs")
    def initramfs(node: str) -> Response:
        return _file(found(lambda: boot.ramdisk(node, "initramfs")).initramfs)

    @app.get("/images/{name}")
    def image(name: str) -> Response:
        return _file(found(lambda: images.os_image(name)).path)


def _file(path: Path, kind: str = "application/octet-stream") -> Response:
    return FileResponse(path, media_type=kind)


def client(request: Request) -> str:
    """The address that a machine asks from."""
    return request.client.host if request.client else "unknown"


def found(get: Callable[[], T]) -> T:
    """What it gives; what is not there is 404, and a broken image 503: machines ask again then."""
    try:
        return get()
    except (NotFound, Conflict) as error:
        raise HTTPException(404, str(error)) from error
    except ImageError as error:
        raise HTTPException(503, str(error)) from error
