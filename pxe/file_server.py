"""Kernels, ramdisks, images and boot media over HTTP, at the speed of the network.

aiohttp hands files to the kernel (sendfile(2)) and knows ranges, validators and HEAD (RFC 9110): a machine
that fetches costs a socket and no copying, and all that fetch at once get their share.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

# Caches may keep it, and ask whether it is still so (RFC 9111 section 5.2.2.4).
CACHING = "public, no-cache"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refused(Exception):
    """What was asked for is not given; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def serve(find: Callable[..., Path]) -> Handler:
    """A handler that sends the file that `find` names for the variables of the request's path.

    `find` may wait for the store, so it has a thread; raises Refused for what is not to be had.
    """

    async def send(request: web.Request) -> web.StreamResponse:
        try:
            path = await asyncio.to_thread(find, **request.match_info)
        except Refused as error:
            return web.Response(status=error.status, text=f"{error}\n")
        return web.FileResponse(path, headers={"Cache-Control": CACHING})

    return send
