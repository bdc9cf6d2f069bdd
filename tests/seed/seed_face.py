from __future__ import annotations

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI

_LOOP = asyncio.Runner()


class Face:
    """An application as one caller reaches it, without a network; a broken route raises here."""

    def __init__(
        self, app: FastAPI, base_url: str, *, caller: str = "127.0.0.1", headers: dict[str, str] | None = None
    ) -> None:
        transport = httpx.ASGITransport(app, client=(caller, 50000))
        self._client = httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        return _LOOP.run(self._client.request(method, path, **more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)
