"""A network between a client and a BMC that does to packets what a test says: loses, doubles, changes."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Spoil = Callable[[bytes], list[bytes]]

OPEN_REQUEST, OPEN_RESPONSE, RAKP1, RAKP2, RAKP3, RAKP4 = range(0x10, 0x16)
SEALED = 0xC0


def as_it_is(packet: bytes) -> list[bytes]:
    return [packet]


def kind_of(packet: bytes) -> int | None:
    """The payload type of an RMCP+ packet."""
    return packet[5] if len(packet) > 5 and packet[4] == 6 else None


def loses_first(kind: int) -> Spoil:
    """The first packet of that payload type is lost."""
    lost: list[bytes] = []

    def spoil(packet: bytes) -> list[bytes]:
        if kind_of(packet) == kind and not lost:
            lost.append(packet)
            return []
        return [packet]

    return spoil


def changes(kind: int, change: Callable[[bytes], bytes]) -> Spoil:
    """Every packet of that payload type becomes another one."""
    return lambda packet: [change(packet) if kind_of(packet) == kind else packet]


def flipped(at: int) -> Callable[[bytes], bytes]:
    """One bit of the byte at that place is wrong."""
    return lambda packet: bytes(byte ^ (i == at % len(packet)) for i, byte in enumerate(packet))


class Relay:
    """`to_bmc` and `to_client` get each packet and give those that are passed on in its place."""

    def __init__(self, port: int, host: str, to_bmc: Spoil, to_client: Spoil) -> None:
        self._spoil = {True: to_bmc, False: to_client}
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind(("127.0.0.1", 0))
        self._back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._back.connect((host, port))
        self.client: tuple[str, int] = ("", 0)
        self._ends, self._end = socket.socketpair()
        self.seen: list[int | None] = []  # payload types of what the client sent
        self.address = f"ipmi://127.0.0.1:{self._front.getsockname()[1]}"

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for sock in (self._front, self._back, self._ends):
                selector.register(sock, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._ends:
                        return
                    self._pass_on(key.fileobj is self._front)

    def _pass_on(self, to_bmc: bool) -> None:
        try:
            if to_bmc:
                packet, self.client = self._front.recvfrom(3000)
                self.seen.append(kind_of(packet))
            else:
                packet = self._back.recv(3000)
            for each in self._spoil[to_bmc](packet):
                if to_bmc:
                    self._back.send(each)
                else:
                    self._front.sendto(each, self.client)
        except OSError:  # nobody listens there
            return

    def close(self) -> None:
        self._end.close()

    def release(self) -> None:
        for sock in (self._front, self._back, self._ends):
            sock.close()


@contextmanager
def relay(
    port: int, host: str = "127.0.0.1", *, to_bmc: Spoil = as_it_is, to_client: Spoil = as_it_is
) -> Iterator[Relay]:
    """Between us and the BMC at `host` and `port`."""
    between = Relay(port, host, to_bmc, to_client)
    thread = threading.Thread(target=between.run, daemon=True)
    thread.start()
    try:
        yield between
    finally:
        between.close()
        thread.join()
        between.release()
