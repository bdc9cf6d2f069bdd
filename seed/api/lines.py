"""An answer in JSON lines that a thread makes: each as it comes, and no more once nobody listens."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from fastapi.responses import StreamingResponse

from seed.errors import StoreFailed
from seed.store.errors import WrongKey

log = logging.getLogger(__name__)

Make = Callable[[Callable[[], bool]], Iterable[dict[str, Any]]]


def streamed(make: Make) -> StreamingResponse:
    """`make` is called in a thread of its own with what tells whether to stop, and may block.

    What breaks it is the last line, {"failed": words}: by then the status has been sent.
    """
    return StreamingResponse(_lines(make), media_type="application/x-ndjson")


async def _lines(make: Make) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    made: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
    ended = threading.Event()

    def put(line: dict[str, Any] | None) -> None:
        try:
            loop.call_soon_threadsafe(made.put_nowait, line)
        except RuntimeError:  # the server has ended
            ended.set()

    def work() -> None:
        try:
            for line in make(ended.is_set):
                put(line)
        except (StoreFailed, WrongKey) as error:
            put({"failed": str(error)})
        except Exception as error:
            log.exception("an answer broke off")
            put({"failed": f"internal error ({type(error).__name__}); the seed's log has more"})
        put(None)

    threading.Thread(target=work, name="lines", daemon=True).start()
    try:
        while (line := await made.get()) is not None:
            yield json.dumps(line, default=str) + "\n"
    finally:
        ended.set()
