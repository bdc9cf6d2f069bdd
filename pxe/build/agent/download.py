"""A file over HTTP as one stream, hashed as it passes; what breaks off is taken up where it broke."""

from __future__ import annotations

import hashlib
import http.client
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from .order import NotWritten
from .relay import Relay

TIMEOUT = 60  # seconds without a byte
PAUSES = (0, 1, 2, 5, 10, 20, 30)  # seconds between attempts: a seed that is started again is back by then
BEGINS = 15.0  # seconds that another machine has for beginning to pass the image on


class Damaged(NotWritten):
    """Other bytes came than were ordered."""


class Gone(http.client.HTTPException):
    """The server has no such file, and will not have it soon."""


class Download:
    """Reads `size` bytes from the first of `urls` that has them; the last one is the seed's.

    A server that breaks off is asked for the rest (RFC 9110 section 14.2), the next URL in turn. `relay` gets
    what came, and `progress` how many bytes that were.
    """

    def __init__(
        self,
        urls: Sequence[str],
        size: int,
        progress: Callable[[int], None] = lambda count: None,
        relay: Relay | None = None,
    ) -> None:
        self._urls = list(urls)
        self._size = size
        self._progress = progress
        self._relay = relay
        self._response: http.client.HTTPResponse | None = None
        self._hash = hashlib.sha512()
        self._at = 0  # which URL is asked
        self._failures = 0  # since the last byte
        self.count = 0

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer`, but for the end of the file; 0 at the end. Raises NotWritten."""
        filled = 0
        while filled < len(buffer) and self.count < self._size:
            part = self._receive(buffer[filled : filled + self._size - self.count])
            came = buffer[filled : filled + part]
            self._hash.update(came)
            if self._relay is not None:
                self._relay.add(came)
            filled += part
            self.count += part
            self._progress(self.count)
        return filled

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, as file objects read."""
        buffer = bytearray(size)
        count = self.readinto(memoryview(buffer))
        return bytes(buffer) if count == size else bytes(buffer[:count])

    def check(self, sha512: str) -> None:
        """Raises NotWritten when what came is not what was ordered."""
        if self.count < self._size:
            self.read(self._size - self.count)  # what a decompressor left unread still counts
        found = self._hash.hexdigest()
        if found != sha512:
            raise Damaged(
                f"wrong checksum: {self._urls[-1]} gave {self.count} bytes with sha512 {found}, expected "
                f"{sha512}; the disk got no partition table. Check the image (undercloud image verify) and "
                "what lies between seed and machine, then deploy again"
            )

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def _receive(self, buffer: memoryview) -> int:
        while True:
            try:
                self._response = self._response or self._ask(self._urls[self._at])
                count = self._response.readinto(buffer)
                if not count:
                    raise http.client.IncompleteRead(b"", self._size - self.count)
            except (OSError, http.client.HTTPException) as error:
                self._turn(error)
            else:
                self._failures = 0
                return count

    def _turn(self, error: Exception) -> None:
        """To the next URL; after the last one, in a while, to the first again. Raises NotWritten."""
        with suppress(OSError):
            self.close()
        is_seed = self._at == len(self._urls) - 1
        if is_seed and (isinstance(error, Gone) or self._failures == len(PAUSES)):
            raise NotWritten(
                f"the image broke off at {self.count} of {self._size} bytes; {self._urls[-1]}: "
                f"{str(error) or type(error).__name__}"
            ) from None
        if is_seed:
            time.sleep(PAUSES[self._failures])
            self._failures += 1
        self._at = (self._at + 1) % len(self._urls)

    def _ask(self, url: str) -> http.client.HTTPResponse:
        place = urlsplit(url)
        kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        connection = kind(place.netloc, timeout=TIMEOUT)
        if url != self._urls[-1]:  # the seed's; before it come machines that may be about to listen
            connection.timeout = TIMEOUT / 3
            if not self.count:
                _await_listener(connection)
        rest = {"Range": f"bytes={self.count}-"} if self.count else {}
        connection.request("GET", place.path + (f"?{place.query}" if place.query else ""), headers=rest)
        response = connection.getresponse()
        if response.status != (206 if self.count else 200):
            response.close()
            kind_of = Gone if 400 <= response.status < 500 else http.client.HTTPException
            raise kind_of(f"answers {response.status} {response.reason}")
        return response


def _await_listener(connection: http.client.HTTPConnection) -> None:
    until = time.monotonic() + BEGINS
    while True:
        try:
            connection.connect()
            return
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
        time.sleep(0.2)
