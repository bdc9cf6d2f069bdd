"""Ask a range over Redfish, as a stranger: which ports take a connection, then the service root.

A bare non-blocking connection costs 25 µs where nobody lives, an HTTP client a hundred times that.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import httpx

from hwdrivers.address import BMCAddress
from hwdrivers.redfish.service_root import RedfishPort, ServiceRoot, read_service_root, stranger
from hwdrivers.scan_pace import Turns, connections_at_once
from hwdrivers.targets import IPAddress

# Seconds. The kernel asks a second time after one; a connection to an address where nobody lives fails after
# 3 s of ARP, and on one that drops packets never.
_CONNECT = 2.0
_HTTP = 15.0
_LOOK = 0.1  # how often connections are looked at that take too long
_ROOTS_AT_ONCE = 64  # each is a TLS handshake, at 5 ms of our time


class RedfishScan:
    """`heard(address, root)` for each service; `done(host)` when a host was asked on all its ports;

    `asked(n)` counts ports. One port of a host is asked at a time. `lead()`: how many targets may
    be asked by now.
    """

    def __init__(
        self,
        targets: Iterable[IPAddress],
        ports: Sequence[RedfishPort],
        turns: Turns,
        *,
        heard: Callable[[BMCAddress, ServiceRoot], None],
        done: Callable[[str], None],
        asked: Callable[[int], None],
        lead: Callable[[], float] = lambda: float("inf"),
    ) -> None:
        self._todo = deque(str(target) for target in targets) if ports else deque[str]()
        self._ports = tuple(ports)
        self._turns = turns
        self._heard = heard
        self._done = done
        self._asked = asked
        self._lead = lead
        self._first: deque[tuple[str, tuple[RedfishPort, ...]]] = deque()  # before all others
        self._begun: set[str] = set()
        self._dead: set[str] = set()
        self._knocks: dict[socket.socket, tuple[float, str, tuple[RedfishPort, ...]]] = {}
        self._reading = 0
        self._read: Callable[[str, tuple[RedfishPort, ...]], None] = lambda host, ports: None
        self._announced: set[tuple[str, int]] = set()
        self._limit = connections_at_once()
        self._news = asyncio.Event()
        self.total = len(self._todo) * len(self._ports)

    def hurry(self, host: str) -> None:
        """It is alive: ask it next."""
        if host not in self._begun and self._ports:
            self._begin(host)

    def dead(self, host: str) -> None:
        """Nobody lives there: not worth a connection."""
        self._dead.add(host)

    def announced(self, host: str, port: RedfishPort) -> None:
        """A service said that it is there."""
        if port not in self._ports and (host, port.number) not in self._announced:
            self._announced.add((host, port.number))
            self._first.append((host, (port,)))
            self._news.set()

    async def run(self) -> None:
        """Returns when everybody was asked; again asks only what announced itself since."""
        if not self._todo and not self._first:
            return
        async with stranger(_HTTP) as client, asyncio.TaskGroup() as group:
            roots = asyncio.Semaphore(_ROOTS_AT_ONCE)

            def read(host: str, ports: tuple[RedfishPort, ...]) -> None:
                group.create_task(self._root(client, roots, host, ports))

            self._read = read
            expiry = group.create_task(self._expire())
            try:
                await self._knock_at_all()
            finally:
                expiry.cancel()
                for sock in list(self._knocks):
                    self._drop(sock)

    async def _knock_at_all(self) -> None:
        while self._first or self._todo or self._knocks or self._reading:
            if len(self._knocks) < self._limit and (self._first or self._may_begin()):
                if not self._first:
                    self._begin(self._todo.popleft())
                    continue
                await self._turns.take()
                self._knock(*self._first.popleft())
            else:
                await self._wait()

    def _may_begin(self) -> bool:
        # IPMI goes ahead: it hears when the kernel cannot look up more neighbours, and who is dead.
        while self._todo and self._todo[0] in self._begun:
            self._todo.popleft()
        return bool(self._todo) and len(self._begun) < self._lead()

    async def _wait(self) -> None:
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01 if self._todo else 1):
                await self._news.wait()

    def _begin(self, host: str) -> None:
        self._begun.add(host)
        if host in self._dead:
            self._asked(len(self._ports))
            self._done(host)
            return
        self._first.append((host, self._ports))
        self._news.set()

    # --- connections

    def _knock(self, host: str, ports: tuple[RedfishPort, ...]) -> None:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if sock.connect_ex(_sockaddr(host, ports[0].number)) not in (0, errno.EINPROGRESS):
            sock.close()
            self._next(host, ports)
            return
        self._knocks[sock] = (loop.time() + _CONNECT, host, ports)
        loop.add_writer(sock, self._settled, sock)

    def _settled(self, sock: socket.socket) -> None:
        _, host, ports = self._knocks[sock]
        is_open = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        self._drop(sock)
        if is_open:
            self._reading += 1
            self._read(host, ports)
        else:
            self._next(host, ports)

    def _drop(self, sock: socket.socket) -> None:
        asyncio.get_running_loop().remove_writer(sock)
        del self._knocks[sock]
        sock.close()

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            now = asyncio.get_running_loop().time()
            # In the order in which they were begun, which is that of their ends.
            late = []
            for sock, (until, _, _) in self._knocks.items():
                if until > now:
                    break
                late.append(sock)
            for sock in late:
                _, host, ports = self._knocks[sock]
                self._drop(sock)
                self._next(host, ports)

    def _next(self, host: str, ports: tuple[RedfishPort, ...]) -> None:
        """The host's next port, if there is one."""
        if ports[0] in self._ports:
            self._asked(1)
        if ports[1:]:
            self._first.append((host, ports[1:]))
        else:
            self._done(host)
        self._news.set()

    async def _root(
        self, client: httpx.AsyncClient, roots: asyncio.Semaphore, host: str, ports: tuple[RedfishPort, ...]
    ) -> None:
        try:
            async with roots:
                address = BMCAddress(host, ports[0].scheme, ports[0].number)
                root = await read_service_root(client, address)
                if root is not None:
                    self._heard(address, root)
        finally:
            self._reading -= 1
            self._next(host, ports)


def _sockaddr(host: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    zone = getattr(ipaddress.ip_address(host), "scope_id", None) if "%" in host else None
    return (host.partition("%")[0], port, 0, socket.if_nametoindex(zone)) if zone else (host, port)
