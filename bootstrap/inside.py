"""Ask the seed's application inside of this process, and get its answer while it is being made."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

_PATIENCE = 60.0  # seconds that an answer which nobody listens to any more may take to end


class Inside:
    """One POST. Closed early, the application sees its client leave, and what it makes ends in order."""

    def __init__(self, app: FastAPI, path: str, body: Any, headers: Mapping[str, str]) -> None:
        self._app = app
        self._body: bytes | None = json.dumps(body).encode()
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [
                (b"content-type", b"application/json"),
                *((name.lower().encode(), value.encode()) for name, value in headers.items()),
            ],
            "client": ("127.0.0.1", 0),
            "server": ("seed", 80),
        }
        self._parts: SimpleQueue[int | bytes | BaseException | None] = SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._left = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="inside", daemon=True)
        self._thread.start()

    def status(self) -> int:
        """Of HTTP; raises what broke the application."""
        part = self._parts.get()
        if isinstance(part, int):
            return part
        raise part if isinstance(part, BaseException) else RuntimeError("the application gave no answer")

    def lines(self) -> Iterator[str]:
        """The answer's lines, each as it comes; after `status`."""
        rest = b""
        while (part := self._parts.get()) is not None:
            if isinstance(part, BaseException):
                raise part
            *whole, rest = (rest + part).split(b"\n") if isinstance(part, bytes) else (rest,)
            yield from (line.decode() for line in whole)
        if rest:
            yield rest.decode()

    def close(self) -> None:
        """Returns when nothing of it is under way any more."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._left.set)
        self._thread.join(_PATIENCE)
        for thread in threading.enumerate():
            if thread.name == "lines":  # see seed.api.lines: it still writes down what it found
                thread.join(_PATIENCE)

    def _work(self) -> None:
        try:
            with contextlib.closing(self._loop):
                self._loop.run_until_complete(self._app(self._scope, self._receive, self._send))
        except BaseException as error:
            self._parts.put(error)
        self._parts.put(None)

    async def _receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._parts.put(message["status"])
        elif message.get("body"):
            self._parts.put(message["body"])
