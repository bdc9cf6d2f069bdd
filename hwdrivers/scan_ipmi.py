"""Ask a range over IPMI, as a stranger: one small question to each address, again only to the silent.

One unconnected socket asks everybody. What the kernel and routers report back (ICMP port unreachable, no
answer to ARP) comes through the socket's error queue and ends the questions to that address.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from hwdrivers.ipmi import rmcp
from hwdrivers.scan_pace import Turns
from hwdrivers.targets import IPAddress

# One question at a time, since either is missed by somebody: virtualbmc 3.3.0 ignores the presence ping, and
# some BMCs with strict ciphers ignore Get Channel Authentication Capabilities. What tells more is asked
# first, and twice, for packets get lost.
QUESTIONS = (rmcp.GET_CHANNEL_AUTH, rmcp.PRESENCE_PING, rmcp.GET_CHANNEL_AUTH)
# Seconds: until the silent are asked again, and for the last answers. All answers count that come before the
# end, so the first question has three seconds at least; real BMCs need one when they are busy.
_BETWEEN, _LAST = 0.5, 2.0
# Bytes. A thousand BMCs answer within milliseconds; and what is sent waits in the kernel for 3 s of ARP.
_BUFFER = 8 << 20

# linux/in.h, linux/in6.h, asm/socket.h, linux/errqueue.h; Python has no names for them.
_IP_RECVERR, _IPV6_RECVERR, _SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 11, 25, 32, 33
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
# (SO_EE_ORIGIN_ICMP, host unreachable), (SO_EE_ORIGIN_ICMP6, address unreachable): nobody answered ARP or ND
# to our own kernel or to the last router.
_NOBODY = {(2, 3, 1), (3, 1, 3)}

# The neighbour table of the kernel is full (gc_thresh3, 1024 by default) while ARP waits for the dead.
_LATER = (errno.ENOBUFS, errno.EAGAIN)
_TRIES = 4  # an error may belong to an earlier packet; a fourth one does not

Sockaddr = tuple[str, int] | tuple[str, int, int, int]


class IPMIScan:
    """`heard(host, port, answer)` for each BMC, once; `dead(host)` where ARP or ND found nobody.

    `settled(host)` where a BMC answered and no other port is expected to: it was silent for a whole round.
    `asked(n)` counts questions that are over, out of `total`. `sent` is how many addresses of the first round
    have been asked.
    """

    def __init__(
        self,
        targets: Iterable[IPAddress],
        ports: tuple[int, ...],
        turns: Turns,
        *,
        heard: Callable[[str, int, rmcp.Answer], None],
        dead: Callable[[str], None],
        settled: Callable[[str], None],
        asked: Callable[[int], None],
    ) -> None:
        self._silent = {_sockaddr(target, port): str(target) for target in targets for port in ports}
        self._rest = dict.fromkeys(self._silent, len(QUESTIONS))
        self._turns = turns
        self._heard = heard
        self._dead = dead
        self._settled = settled
        self._open: dict[str, int] = {}  # hosts that answered: their ports that have not
        self._ports = len(ports)
        self._asked = asked
        self._sockets: dict[int, socket.socket] = {}
        self._all_told = asyncio.Event()
        self.total = len(self._silent) * len(QUESTIONS)
        self.sent = 0

    async def run(self) -> None:
        """Returns when everybody was asked and had time to answer."""
        loop = asyncio.get_running_loop()
        try:
            for length in {len(address) for address in self._silent}:
                sock = self._sockets[length] = _socket(socket.AF_INET if length == 2 else socket.AF_INET6)
                loop.add_reader(sock, self._receive, sock)
            for number, question in enumerate(QUESTIONS, 1):
                await self._round(question)
                await self._wait(_LAST if number == len(QUESTIONS) else _BETWEEN)
                for host in [host for host, left in self._open.items() if left]:
                    self._settle(host)
        finally:
            for sock in self._sockets.values():
                loop.remove_reader(sock)
                sock.close()
            self._asked(sum(self._rest.values()))
            self._rest.clear()

    async def _round(self, question: bytes) -> None:
        order = iter(list(self._rest))
        while batch := list(islice(order, self._turns.at_once)):
            await self._turns.take(len(batch))
            for address in batch:
                if address in self._rest:
                    await self._ask(address, question)
            self.sent += len(batch)

    async def _ask(self, address: Sockaddr, question: bytes) -> None:
        sock = self._sockets[len(address)]
        tries = 0
        while tries < _TRIES:
            try:
                sock.sendto(question, address)
            except OSError as error:
                if error.errno in _LATER:
                    await asyncio.sleep(0.02)
                    continue
                tries += 1
                self._read_errors(sock)
            else:
                self._count(address)
                return
        self._give_up(address)  # no route, or a firewall of our own

    def _count(self, address: Sockaddr) -> None:
        if address in self._rest:
            self._rest[address] -= 1
            self._asked(1)

    def _give_up(self, address: Sockaddr) -> None:
        """No more questions; a late answer counts all the same."""
        self._asked(self._rest.pop(address, 0))
        if not self._rest:
            self._all_told.set()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds if self._rest else 0):
                await self._all_told.wait()

    # --- answers

    def _receive(self, sock: socket.socket) -> None:
        self._read_errors(sock)
        for packet, address in _received(sock):
            self._take(packet, address)

    def _take(self, packet: bytes, address: Sockaddr) -> None:
        key = address if len(address) == 2 else (address[0], address[1], 0, address[3])
        if key not in self._silent:
            return
        answer = rmcp.read_answer(packet)
        if answer is not None:
            host = self._silent.pop(key)
            self._give_up(key)
            self._heard(host, key[1], answer)
            self._open[host] = self._open.get(host, self._ports) - 1
            if not self._open[host]:
                self._settled(host)

    def _settle(self, host: str) -> None:
        self._open[host] = 0
        self._settled(host)

    def _read_errors(self, sock: socket.socket) -> None:
        for address, code, report in _errors(sock):
            key = address if len(address) == 2 else (address[0], address[1], 0, address[3])
            if report in _NOBODY and key in self._silent:
                self._dead(self._silent[key])
            if code != errno.EMSGSIZE:
                self._give_up(key)


def _sockaddr(target: IPAddress, port: int) -> Sockaddr:
    """As the kernel writes it in the answers."""
    if target.version == 4:
        return str(target), port
    zone = target.scope_id
    return (
        socket.inet_ntop(socket.AF_INET6, target.packed),
        port,
        0,
        socket.if_nametoindex(zone) if zone else 0,
    )


def _socket(family: socket.AddressFamily) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    if family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    for force, ask in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF), (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, force, _BUFFER)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, ask, _BUFFER)
    return sock


def _received(sock: socket.socket) -> Iterator[tuple[bytes, Sockaddr]]:
    while True:
        try:
            yield sock.recvfrom(3000)
        except BlockingIOError:
            return
        except OSError:  # what the error queue told as well
            continue


def _errors(sock: socket.socket) -> Iterator[tuple[Sockaddr, int, tuple[int, int, int]]]:
    """To whom the packet was, the error's number, and what was reported: origin, ICMP type and code."""
    while True:
        try:
            _, ancillary, _, address = sock.recvmsg(64, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return
        for _, kind, content in ancillary:
            if kind in (_IP_RECVERR, _IPV6_RECVERR) and len(content) >= _EXTENDED_ERROR.size and address:
                code, origin, kind_of_icmp, code_of_icmp, *_ = _EXTENDED_ERROR.unpack_from(content)
                yield address, code, (origin, kind_of_icmp, code_of_icmp)
