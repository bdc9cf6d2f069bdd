"""One UDP socket that is the BMC at every address of a block."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

from vmlab.simulator.faults import Kind
from vmlab.simulator.fleet import Fleet
from vmlab.simulator.ipmi.server import IPMI
from vmlab.simulator.machine import Machine

# ip(7); Python 3.11 does not name it.
_IP_PKTINFO = 8
_PACKET, _CONTROL = 2048, socket.CMSG_SPACE(12)
# A client may ask all BMCs at once; what the kernel cannot keep for us would look like a lossy network.
_BUFFER = 32 << 20
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
# After so many packets others get their turn.
_BURST = 256


def bound(host: str, port: int) -> socket.socket:
    """Tells for each packet to which address it was sent."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    for forced, capped in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF), (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, _BUFFER)
        except PermissionError:  # only root goes past net.core.rmem_max
            sock.setsockopt(socket.SOL_SOCKET, capped, _BUFFER)
    sock.bind((host, port))
    return sock


class Responder:
    """Reads packets, lets faults and latency act, and answers from the address that was asked."""

    def __init__(self, sock: socket.socket, fleet: Fleet, ipmi: IPMI) -> None:
        self._sock = sock
        self._fleet = fleet
        self._ipmi = ipmi
        ipmi.send = self.send
        fleet.ipmi_port = sock.getsockname()[1]
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._readable)

    def _readable(self) -> None:
        receive, at = self._sock.recvmsg, self._fleet.at
        for _ in range(_BURST):
            try:
                packet, told, _, peer = receive(_PACKET, _CONTROL)
            except (BlockingIOError, ConnectionError):
                return
            machine = at(told[0][2][8:12]) if told else None
            if machine is None:
                continue
            if machine.faults or machine.deaf_until:
                self._faulty(packet, machine, peer)
                continue
            answer = self._ipmi.handle(packet, machine, peer)
            if answer is not None:
                self._answer(answer, machine, peer, machine.personality.ipmi_latency.sample())

    def _faulty(self, packet: bytes, machine: Machine, peer: Any) -> None:
        if machine.deaf_until > self._fleet.now() or Kind.SILENT in machine.faults:
            return
        drop, slow = machine.faults.get(Kind.DROP), machine.faults.get(Kind.SLOW)
        if drop is not None and self._fleet.chance.random() < drop.value:
            return
        answer = self._ipmi.handle(packet, machine, peer)
        if answer is not None:
            self._answer(
                answer,
                machine,
                peer,
                machine.personality.ipmi_latency.sample() + (slow.value if slow else 0.0),
            )

    def _answer(self, packet: bytes, machine: Machine, peer: Any, delay: float) -> None:
        if delay:
            self._loop.call_later(delay, self.send, packet, machine, peer)
        else:
            self.send(packet, machine, peer)

    def send(self, packet: bytes, machine: Machine, peer: Any) -> None:
        with contextlib.suppress(OSError):  # the peer is gone, or the buffer is full: a lost packet
            self._sock.sendmsg([packet], [(socket.IPPROTO_IP, _IP_PKTINFO, machine.ancillary)], 0, peer)
