"""Serial consoles behind a console server: a TCP port for each machine, raw or telnet.

As Opengear, Avocent ACS and ser2net offer them. Line settings, and who may open a port, are the console
server's: a port that asks for a log-in is not for us.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from hwdrivers.errors import BMCError, BMCTimeout, Unreachable
from hwdrivers.interfaces import ConsoleStream
from hwdrivers.telnet import Telnet, escaped

CONNECT_WITHIN = 10.0  # seconds
TYPED_WITHIN = 10.0  # seconds that a server has for taking what is typed
MOST = 4096  # bytes at once
# A server that is gone says nothing, and a machine may be silent for days: ask the server itself (tcp(7)).
KEEP_ALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 4}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|[0-9a-f:.]*:[0-9a-f:.]*")
_WRITE = "write tcp://HOST:PORT for a raw port, telnet://HOST[:PORT] for telnet; IPv6 in brackets"


class Line(StrEnum):
    """What a port speaks."""

    RAW = "tcp"
    TELNET = "telnet"


@dataclass(frozen=True)
class ConsoleServer:
    """The port of one machine."""

    line: Line
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> ConsoleServer:
        """Read what an operator typed; raises ValueError, which never repeats a password."""
        try:
            url = urlsplit(text.strip())
            line, host, port = Line(url.scheme), url.hostname or "", url.port
        except ValueError:
            raise ValueError(f"this is no port of a console server; {_WRITE}") from None
        if url.username is not None or url.password is not None:
            raise ValueError(f"a console server is not logged in to; {_WRITE}")
        if url.path.strip("/") or url.query or url.fragment or not _HOST.fullmatch(host):
            raise ValueError(f"this is no port of a console server; {_WRITE}")
        if port is None and line is Line.TELNET:
            port = 23
        if not port:
            raise ValueError(f"a number of a port from 1 on is missing; {_WRITE}")
        return cls(line, host, port)

    def __str__(self) -> str:
        return f"{self.line}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def open(self) -> ConsoleStream:
        """Raises `Unreachable`. A port that somebody else has often answers, says so, and hangs up."""
        try:
            connection = socket.create_connection((self.host, self.port), CONNECT_WITHIN)
        except OSError as error:
            seen = "it does not answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise Unreachable(
                f"{self}: cannot open the console: {seen}; look at the port and its protocol on the console "
                "server"
            ) from None
        connection.settimeout(TYPED_WITHIN)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEP_ALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        return TelnetPort(self, connection) if self.line is Line.TELNET else Port(self, connection)


class Port:
    """`hwdrivers.interfaces.ConsoleStream` over a raw port."""

    def __init__(self, server: ConsoleServer, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._closed = False

    def read(self, timeout: float) -> bytes:
        try:
            if self._closed or not _readable(self._connection, timeout):
                self._check()
                return b""
            data = self._connection.recv(MOST)
        except (OSError, ValueError) as error:  # ValueError: another thread closed it meanwhile
            raise self._ended(error) from None
        if not data:
            raise self._ended("the console server hung up; somebody else may have the port")
        return data

    def write(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except TimeoutError:
            seen = f"{self._server}: cannot type on the console: what is typed is not taken; type it again"
            raise BMCTimeout(seen) from None
        except OSError as error:
            raise self._ended(error) from None

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # wakes up who reads
        self._connection.close()

    def _check(self) -> None:
        if self._closed:
            raise self._ended("")

    def _ended(self, why: object) -> BMCError:
        seen = "it was closed here" if self._closed else why
        return Unreachable(f"{self._server}: cannot read the console: {seen}; open it again")


class TelnetPort(Port):
    """The same over telnet."""

    def __init__(self, server: ConsoleServer, connection: socket.socket) -> None:
        super().__init__(server, connection)
        self._telnet = Telnet(super().write)

    def read(self, timeout: float) -> bytes:
        return self._telnet.text(super().read(timeout))

    def write(self, data: bytes) -> None:
        super().write(escaped(data))


def _readable(connection: socket.socket, timeout: float) -> bool:
    """Not select(): a seed has more files open than that can watch."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(timeout * 1000))
