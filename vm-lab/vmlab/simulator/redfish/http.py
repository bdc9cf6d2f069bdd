"""HTTP/1.1 on one listening socket; the local address of a connection tells which BMC is meant."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import cast

from vmlab.simulator.faults import Kind
from vmlab.simulator.fleet import Fleet
from vmlab.simulator.machine import Machine
from vmlab.simulator.redfish.answer import Answer, error
from vmlab.simulator.redfish.service import Service

_MOST_BYTES = 1 << 20
_RESET = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """One connection with keep-alive."""

    __slots__ = ("_buffer", "_close", "_fleet", "_machine", "_services", "_transport")

    def __init__(self, fleet: Fleet, services: dict[int, Service]) -> None:
        self._fleet = fleet
        self._services = services
        self._buffer = b""
        self._close = False
        self._machine: Machine | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._machine = self._fleet.at(socket.inet_aton(transport.get_extra_info("sockname")[0]))
        if self._machine is None:  # nobody lives here: what a closed port says (RST)
            self.reset()

    def reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := self._request()) is not None:
            self._serve(*request)

    def _request(self) -> tuple[str, str, dict[str, str], bytes] | None:
        """The next complete one: method, target, headers by lower-case name, body."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_BYTES:
                self._transport.abort()
            return None
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = headers.get("content-length", "0")
        words = first.split(" ")
        if len(words) != 3 or not length.isdecimal() or int(length) > _MOST_BYTES:
            self._buffer = b""
            self._write(error(400, "GeneralError", "This is no HTTP request.").packed(), close=True)
            return None
        total = end + 4 + int(length)
        if len(self._buffer) < total:
            return None
        body, self._buffer = self._buffer[end + 4 : total], self._buffer[total:]
        self._close = headers.get("connection", "").lower() == "close" or words[2] == "HTTP/1.0"
        return words[0], words[1], headers, body

    def _serve(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        machine = self._machine
        if machine is None or machine.deaf_until > self._fleet.now() or Kind.SILENT in machine.faults:
            return
        delay = machine.personality.redfish_latency.sample()
        if machine.faults:
            drop, slow = machine.faults.get(Kind.DROP), machine.faults.get(Kind.SLOW)
            if drop is not None and self._fleet.chance.random() < drop.value:
                self.reset()
                return
            delay += slow.value if slow else 0.0
        answer = self._services[id(machine.personality)].handle(machine, method, target, headers, body)
        self._answer(_garbled(answer) if Kind.GARBLED in machine.faults else answer, delay)

    def _answer(self, answer: Answer, delay: float) -> None:
        close = self._close
        if close:  # told, else requests (sushy) tries the connection once more
            answer.headers["Connection"] = "close"
        packed = answer.packed()
        if delay:
            asyncio.get_running_loop().call_later(delay, self._write, packed, close)
        else:
            self._write(packed, close)

    def _write(self, packed: bytes, close: bool) -> None:
        if not self._transport.is_closing():
            self._transport.write(packed)
            if close:
                self._transport.close()


def _garbled(answer: Answer) -> Answer:
    return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)
