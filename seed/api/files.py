"""What machines fetch in bulk: kernel, ramdisk and images, on a port of their own.

uvicorn copies each file through Python, at a tenth of nginx's speed; this face hands them to the kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path

from aiohttp import web

from pxe.file_server import Refused, serve
from pxe.images import ImageError
from seed.boot import Boot
from seed.errors import StoreFailed
from seed.images import Images
from seed.store.errors import NotFound


def create(boot: Boot, images: Images) -> web.Application:
    """The application; whatever waits for the store has a thread."""

    @_found
    def kernel(node: str) -> Path:
        return boot.ramdisk(node, "kernel").kernel

    @_found
    def initramfs(node: str) -> Path:
        return boot.ramdisk(node, "initramfs").initramfs

    @_found
    def image(name: str) -> Path:
        return images.os_image(name).path

    app = web.Application()
    app.router.add_get("/boot/{node}/kernel", serve(kernel))
    app.router.add_get("/boot/{node}/initramfs", serve(initramfs))
    app.router.add_get("/images/{name}", serve(image))
    return app


def _found(find: Callable[[str], Path]) -> Callable[..., Path]:
    """What is not there is 404; a broken image or a silent store is 503: machines ask again then."""

    @wraps(find)
    def path(**asked: str) -> Path:
        try:
            return find(*asked.values())
        except NotFound:  # whose words list what there is instead, which is no stranger's business
            raise Refused(404, "there is no such file") from None
        except (ImageError, StoreFailed) as error:
            raise Refused(503, str(error)) from error

    return path
