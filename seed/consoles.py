"""Serial consoles that are open: one conversation with each, shared by all who read along."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from hwdrivers.console_server import ConsoleServer
from hwdrivers.errors import BMCError
from hwdrivers.interfaces import ConsoleStream, Interface
from hwdrivers.offers import offered
from seed.bmcs import BMCs
from seed.model import Node
from seed.store.errors import Conflict

log = logging.getLogger(__name__)

SILENCE = 1.0  # seconds after which a reader looks whether it is still wanted
PATIENCE = 10.0  # seconds that a console has for closing
RECENT = 16 * 1024  # bytes that who joins is shown: about a screen of what was said last


class Listener(Protocol):
    """Who reads along; both are called by the console's thread, and are quick."""

    def hear(self, data: bytes) -> None:
        """The machine wrote this."""

    def end(self, why: str) -> None:
        """Nothing more comes."""


class OpenConsole:
    """One stream, read by one thread for everybody; ended when nobody listens, or when it ends by itself."""

    def __init__(self, node: Node, bmcs: BMCs, gone: Callable[[OpenConsole], None]) -> None:
        """Raises BMCError; `gone` is called once it is closed."""
        self.node = node.uuid
        self._gone = gone
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._recent = b""
        self._why: str | None = None
        self.closed = threading.Event()
        self._stream = _opened(node, bmcs)
        self._thread = threading.Thread(target=self._read, name=f"console {node.name}", daemon=True)

    def join(self, listener: Listener) -> bool:
        """Have it read along, from what was said last; False when the console has ended meanwhile."""
        with self._lock:
            if self._why is not None:
                return False
            listener.hear(self._recent)
            self._listeners.append(listener)
            if not self._thread.is_alive():
                self._thread.start()
            return True

    def leave(self, listener: Listener) -> None:
        """The last one closes it, and waits for that: a BMC keeps a session that nobody gives back."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
            if self._listeners:
                return
            self._why = self._why or "nobody listens any more"
        self._stream.close()
        self.closed.wait(PATIENCE)

    def type(self, data: bytes) -> None:
        """Raises BMCError."""
        self._stream.write(data)

    def _read(self) -> None:
        try:
            while self._why is None:
                if data := self._stream.read(SILENCE):
                    self._tell(data)
            self._end(self._why)
        except BMCError as error:
            self._end(str(error))
        except Exception as error:  # it must not take anything else with it
            log.exception("a console broke off")
            self._end(f"internal error ({type(error).__name__}); the seed's log has more")
        finally:
            self._stream.close()
            self._gone(self)
            self.closed.set()

    def _tell(self, data: bytes) -> None:
        with self._lock:
            self._recent = (self._recent + data)[-RECENT:]
            for listener in self._listeners:
                listener.hear(data)

    def _end(self, why: str) -> None:
        with self._lock:
            self._why = why
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.end(why)


def _opened(node: Node, bmcs: BMCs) -> ConsoleStream:
    """At its console server if it has one: who wired that wants it, and a BMC's loses bytes more often."""
    if node.console is not None:
        return ConsoleServer.parse(node.console).open()
    # Its session is its own: the conversation that opened it is given back, lest it grow old unused.
    with bmcs.open(node) as bmc:
        return offered(bmc.address, Interface.CONSOLE, bmc.console).open()


class Consoles:
    """Opens consoles, each once."""

    def __init__(self, bmcs: BMCs) -> None:
        self._bmcs = bmcs
        self._lock = threading.Lock()
        self._open: dict[str, OpenConsole] = {}
        self._opening: dict[str, threading.Lock] = {}

    @contextmanager
    def joined(self, node: Node, listener: Listener) -> Iterator[OpenConsole]:
        """Have `listener` read along; the console is opened if nobody has, and closed behind the last.

        Raises BMCError: `Unsupported` where there is no console, `Busy` where somebody else has it.
        """
        console = self._join(node, listener)
        try:
            yield console
        finally:
            console.leave(listener)

    def type(self, node: Node, data: bytes) -> None:
        """Type into a console that is open; raises Conflict or BMCError."""
        console = self._find(node)
        if console is None:
            raise Conflict(f"node '{node.name}': nobody has its console open")
        console.type(data)

    def _join(self, node: Node, listener: Listener) -> OpenConsole:
        """Two who come at once open one console; a slow BMC keeps nobody else waiting."""
        with self._lock:
            opening = self._opening.setdefault(node.uuid, threading.Lock())
        with opening:
            console = self._find(node)
            if console is not None:
                if console.join(listener):
                    return console
                console.closed.wait(PATIENCE)  # a BMC has one console session
            console = OpenConsole(node, self._bmcs, self._forget)
            with self._lock:
                self._open[node.uuid] = console
            console.join(listener)
            return console

    def _find(self, node: Node) -> OpenConsole | None:
        with self._lock:
            return self._open.get(node.uuid)

    def _forget(self, console: OpenConsole) -> None:
        with self._lock:
            if self._open.get(console.node) is console:
                del self._open[console.node]
