"""A web server with ranges and ETags, whose connections can be told to break off."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GONE = -1


@dataclass
class Shelf:
    """What is served by path, and how: each of `breaks` ends one answer after so many bytes of its body.

    GONE among them: from then on there is nothing.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    breaks: list[int] = field(default_factory=list)
    knows_ranges: bool = True
    version: str = "1"
    asked: list[str | None] = field(default_factory=list)
    """The Range header of each request."""
    url: str = ""


@contextmanager
def serving(shelf: Shelf) -> Iterator[Shelf]:
    """Serve on loopback while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = shelf.files.get(self.path)
            shelf.asked.append(self.headers["Range"])
            if content is None or shelf.breaks[:1] == [GONE]:
                self.send_error(404)
                return
            self._send(content, self._first(len(content)))

        def _first(self, size: int) -> int:
            """Where the answer begins."""
            found = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
            same = self.headers["If-Range"] in (None, f'"{shelf.version}"')
            return int(found[1]) if found and same and shelf.knows_ranges else 0

        def _send(self, content: bytes, first: int) -> None:
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            self.send_header("ETag", f'"{shelf.version}"')
            self.send_header("Content-Length", str(len(content) - first))
            self.end_headers()
            if shelf.breaks:
                self.wfile.write(content[first : first + shelf.breaks.pop(0)])
                self.close_connection = True
            else:
                self.wfile.write(content[first:])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shelf.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield shelf
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
