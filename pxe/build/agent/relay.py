"""What has arrived of an image is served to the next machine while the rest still comes.

Machines that get the same image stand in a chain, each fetching from the one before it: the seed's link
carries the image once, however many they are. The seed stays the second place to ask, for what breaks off.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import IO, Self

PORT = 9998  # beside the agent's own 9999
PATIENCE = 30.0  # seconds without a new byte, after which who waits is sent back to the seed
_AT_ONCE = 1 << 20


class Relay:
    """A file of `size` bytes, written at `path` as it comes, read by others at `/image/SHA512`.

    A context manager: it listens meanwhile. A port that is taken costs the others speed, and nothing else.
    """

    def __init__(self, path: Path, size: int, sha512: str, address: tuple[str, int] = ("", PORT)) -> None:
        self.path = path
        self.size = size
        self.url_path = f"/image/{sha512}"
        self._address = address
        self._file: IO[bytes] = path.open("wb", buffering=0)
        self._came = threading.Condition()
        self._count = 0
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        with suppress(OSError):
            self._server = _Server(self._address, self)
            threading.Thread(target=self._server.serve_forever, name="relay", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._file.close()

    @property
    def port(self) -> int:
        """Where it listens; 0: nowhere."""
        return int(self._server.server_address[1]) if self._server is not None else 0

    def add(self, data: bytes | memoryview) -> None:
        """The next bytes."""
        self._file.write(data)
        with self._came:
            self._count += len(data)
            self._came.notify_all()

    def beyond(self, offset: int) -> int:
        """How many bytes there are, once there are more than `offset`; no more than that when none came."""
        with self._came:
            self._came.wait_for(lambda: self._count > offset, PATIENCE)
            return self._count

    def opened(self) -> IO[bytes]:
        return self.path.open("rb", buffering=0)


class _Server(ThreadingHTTPServer):
    """Who still fetches does not keep the machine from going on: the rest is the seed's."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], relay: Relay) -> None:
        self.relay = relay
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The whole file, or from a byte on (`Range: bytes=N-`)."""
        relay = self.server.relay
        if self.path != relay.url_path:
            self.send_error(404)
            return
        begins = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        offset = int(begins[1]) if begins else 0
        self.send_response(206 if begins else 200)
        self.send_header("Content-Length", str(max(relay.size - offset, 0)))
        self.end_headers()
        self._send(relay, offset)

    def _send(self, relay: Relay, offset: int) -> None:
        with relay.opened() as file:
            while offset < relay.size:
                there = relay.beyond(offset)
                if there <= offset:
                    self.close_connection = True
                    return
                while offset < there:
                    count = min(there - offset, _AT_ONCE)
                    offset += os.sendfile(self.connection.fileno(), file.fileno(), offset, count)

    def log_message(self, *words: object) -> None:
        """The agent's log is the serial console's."""
