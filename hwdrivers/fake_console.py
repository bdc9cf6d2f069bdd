"""The serial console of a `FakeBMC`."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

from hwdrivers.errors import BMCError, Busy
from hwdrivers.fake_parts import Part

if TYPE_CHECKING:
    from hwdrivers.fake import FakeBMC


class FakeConsole(Part):
    """`say` is the machine writing, `typed` what it was sent; one stream at a time, as IPMI allows."""

    def __init__(self, bmc: FakeBMC) -> None:
        super().__init__(bmc)
        self.typed = b""
        self.is_taken = False  # somebody else has it open
        self.opened = 0
        self.stream: FakeStream | None = None
        self._early = b""

    def open(self) -> FakeStream:
        self._answer("open its console")
        if self.is_taken or (self.stream is not None and self.stream.ended is None):
            raise Busy.at(self._bmc.address, "open its console", "somebody has it open", "ask them")
        self.opened += 1
        self.stream = FakeStream(self)
        self.stream.put(self._early)
        self._early = b""
        return self.stream

    def say(self, data: bytes) -> None:
        """What is said while nobody has it open is heard by who opens it next."""
        if self.stream is None or self.stream.ended is not None:
            self._early += data
        else:
            self.stream.put(data)

    def lose(self, why: str = "the BMC ended the session") -> None:
        """The session ends by itself."""
        if self.stream is not None:
            self.stream.end(BMCError.at(self._bmc.address, "read its console", why, "open it again"))


class FakeStream:
    """An open console."""

    def __init__(self, console: FakeConsole) -> None:
        self._console = console
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.ended: Exception | None = None

    def put(self, data: bytes) -> None:
        self._said.put(data)

    def end(self, why: Exception) -> None:
        self.ended = self.ended or why
        self._said.put(b"")  # whoever reads looks up

    def read(self, timeout: float) -> bytes:
        try:
            data = self._said.get(timeout=timeout)
        except queue.Empty:
            data = b""
        if not data and self.ended is not None:
            raise self.ended
        return data

    def write(self, data: bytes) -> None:
        if self.ended is not None:
            raise self.ended
        self._console.typed += data

    def close(self) -> None:
        self.end(BMCError("the console was closed here"))
