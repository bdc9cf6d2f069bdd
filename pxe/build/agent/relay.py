"""What has arrived of an image is served to the next machine while the rest still comes.

Machines that get the same image stand in a chain, each fetching from the one before it: the seed's link
carries the image once, however many they are. The seed stays the second place to ask, for what breaks off.
"""

from __future__ import annotations

import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

PORT = 9998  # beside the agent's own 9999
PATIENCE = 30.0  # seconds without a new byte, after which who waits is sent back to the seed
_AT_ONCE = 1 << 20


class Relay:
    """A file of `size` bytes, written here as it comes, read by others at `/image/SHA512`."""

    def __init__(self, path: Path, size: int, sha512: str) -> None:
        self.size = size
        self.url_path = f"/image/{sha512}"
        self._path = path
        self._file: IO[bytes] = path.open("wb", buffering=0)
        self._came = threading.Condition()
        self._count = 0

    def add(self, data: bytes | memoryview) -> None:
        """The next bytes."""
        self._file.write(data)
        with self._came:
            self._count += len(data)
            self._came.notify_all()

    def begin_again(self) -> None:
        """What came was wrong; who fetched it finds that out by the checksum too."""
        self._file.seek(0)
        self._file.truncate()
        with self._came:
            self._count = 0

    def beyond(self, offset: int) -> int:
        """How many bytes there are, once there are more than `offset`; no more than that when none came."""
        with self._came:
            self._came.wait_for(lambda: self._count > offset, PATIENCE)
            return self._count

    def opened(self) -> IO[bytes]:
        return self._path.open("rb", buffering=0)


class RelayServer(ThreadingHTTPServer):
    """Listens until the ramdisk ends; one that cannot listen costs the others nothing but speed."""

    daemon_threads = True

    def __init__(self, relay: Relay, address: tuple[str, int] = ("", PORT)) -> None:
        self.relay = relay
        super().__init__(address, _Handler)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="relay", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: RelayServer
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
