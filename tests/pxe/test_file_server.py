"""Files as firmware, agents, caches and BMCs ask for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from pxe.file_server import CACHING, Refused, serve

CONTENT = bytes(range(256)) * 1000


def asked(tmp_path: Path, look: Callable[[aiohttp.ClientSession, str], Awaitable[None]]) -> None:
    """Serve a file under /images/NAME, and have `look` ask for it."""
    (tmp_path / "disk").write_bytes(CONTENT)

    def find(name: str) -> Path:
        if name != "debian-12":
            raise Refused(404, f"no image '{name}'")
        return tmp_path / "disk"

    async def conversation() -> None:
        app = web.Application()
        app.router.add_get("/images/{name}", serve(find))
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as http:
            await look(http, base)
        await runner.cleanup()

    asyncio.run(conversation())


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        (None, 200, CONTENT),
        ("bytes=0-0", 206, CONTENT[:1]),
        ("bytes=1000-1999", 206, CONTENT[1000:2000]),
        ("bytes=255000-", 206, CONTENT[255000:]),
        ("bytes=-500", 206, CONTENT[-500:]),
    ],
)
def test_a_transfer_that_broke_off_goes_on_where_it_was(
    tmp_path: Path, wanted: str | None, status: int, body: bytes
) -> None:
    async def look(http: aiohttp.ClientSession, base: str) -> None:
        headers = {"Range": wanted} if wanted else {}
        async with http.get(f"{base}/images/debian-12", headers=headers) as answer:
            assert (answer.status, await answer.read()) == (status, body)
            assert answer.headers["Cache-Control"] == CACHING

    asked(tmp_path, look)


def test_a_cache_is_told_that_nothing_changed(tmp_path: Path) -> None:
    async def look(http: aiohttp.ClientSession, base: str) -> None:
        async with http.head(f"{base}/images/debian-12") as head:
            assert int(head.headers["Content-Length"]) == len(CONTENT)
            known = {"If-None-Match": head.headers["ETag"]}
        async with http.get(f"{base}/images/debian-12", headers=known) as answer:
            assert (answer.status, await answer.read()) == (304, b"")

    asked(tmp_path, look)


def test_a_range_past_the_end_and_an_unknown_name_are_refused(tmp_path: Path) -> None:
    async def look(http: aiohttp.ClientSession, base: str) -> None:
        async with http.get(f"{base}/images/debian-12", headers={"Range": "bytes=999999-"}) as answer:
            assert answer.status == 416
        async with http.get(f"{base}/images/other") as answer:
            assert (answer.status, await answer.text()) == (404, "no image 'other'\n")

    asked(tmp_path, look)
