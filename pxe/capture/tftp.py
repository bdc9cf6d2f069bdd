"""TFTP transfers, followed from the request to the last block (RFC 1350, 2347 to 2349, 7440)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from itertools import pairwise
from math import inf
from typing import Any

from pxe.capture.packets import TFTP, UDP, Packet, printable
from pxe.grub import kind_of, on_trial
from pxe.milestones import Milestone, TFTPFailure

_REQUEST, _DATA, _ACK, _ERROR, _OPTIONS = 1, 3, 4, 5, 6
_NOT_FOUND = 1  # error code (RFC 1350, appendix)
_UNREACHABLE = 3
_CODES = {1: "host unreachable", 3: "port unreachable", 4: "fragmentation needed", 13: "forbidden"}
_BLOCKS = 1 << 16  # block numbers start again after so many


@dataclass
class _Transfer:
    """`sent` and `acked` count blocks, `acked` from 0, the options; `last` is the final block."""

    mac: bytes
    address: bytes
    file: str
    at: float
    asked: int = 1
    answered: bool = False
    blksize: int = 512
    agreed: bool = False
    sent: int = 0
    acked: int | None = None
    last: int | None = None
    again: int = 0
    trouble: list[str] = field(default_factory=list)
    error: int | None = None
    ended: str | None = None


class Transfers:
    """All transfers under way; `watched` are the clients' ports, on either side of what belongs to them.

    `half`: only machines are heard, so that a transfer is followed until its first block has arrived.
    """

    def __init__(self, *, half: bool = False) -> None:
        self._half = half
        self._open: dict[tuple[bytes, int], _Transfer] = {}
        self.watched: set[int] = set()

    def take(self, packet: Packet) -> Iterator[Milestone]:
        """What a packet from or to a client proves."""
        code = int.from_bytes(packet.payload[:2])
        if packet.target_port == TFTP and code == _REQUEST:
            yield from self._requested(packet)
        elif known := self._open.get((packet.source, packet.source_port)):
            yield from self._from_client(known, packet, code)
        elif known := self._open.get((packet.target, packet.target_port)):
            yield from self._from_server(known, packet, code)

    def refused(self, packet: Packet) -> None:
        """An ICMP message tells whose packet did not arrive: it quotes its headers (RFC 792, RFC 1191)."""
        kind, code = packet.payload[0], packet.payload[1]
        quoted = packet.payload[8:]
        ports = quoted[(quoted[0] & 15) * 4 :]
        if kind != _UNREACHABLE or quoted[9] != UDP or len(ports) < 4:
            return
        ends = (quoted[12:16], int.from_bytes(ports[:2])), (quoted[16:20], int.from_bytes(ports[2:4]))
        known = self._open.get(ends[0]) or self._open.get(ends[1])
        if known:
            mtu = f", MTU {int.from_bytes(packet.payload[6:8])}" if code == 4 else ""
            words = f"{_CODES.get(code, 'unreachable')}{mtu} (ICMP from {IPv4Address(packet.source)})"
            known.trouble += [] if words in known.trouble else [words]

    def end(self, before: float = inf) -> Iterator[Milestone]:
        """What became of transfers that are still open and of which nothing was heard since `before`."""
        for key in [key for key, known in self._open.items() if known.at < before]:
            yield from self._close(key)

    def _requested(self, packet: Packet) -> Iterator[Milestone]:
        key = packet.source, packet.source_port
        name = printable(packet.payload[2:])
        asked = 1
        for other in [other for other in self._open if other[0] == packet.source]:
            known = self._open[other]  # firmware fetches one file after another, often from another port
            if known.file == name and not known.acked:
                asked += self._forget(other).asked
            else:
                yield from self._close(other)
        self._open[key] = _Transfer(
            packet.mac, packet.source, name, packet.at, asked, blksize=_blksize(packet.payload[2:])
        )
        self.watched.add(packet.source_port)

    def _from_server(self, known: _Transfer, packet: Packet, code: int) -> Iterator[Milestone]:
        known.answered, known.at = True, packet.at
        if code == _OPTIONS:
            known.agreed, known.blksize = True, _blksize(packet.payload[2:])
        elif code == _DATA:
            known.blksize = known.blksize if known.agreed else 512
            block = _later(known.sent, packet)
            known.again = known.again + 1 if block <= known.sent else 0
            known.sent = max(block, known.sent)
            if block == known.sent and packet.length - 4 < known.blksize:
                known.last = block
        elif code == _ERROR:
            known.error = int.from_bytes(packet.payload[2:4])
            known.ended = f"the server says: {_error(packet)}"
            key = packet.target, packet.target_port
            if on_trial(known.file):
                self._forget(key)
            else:
                yield from self._close(key)

    def _from_client(self, known: _Transfer, packet: Packet, code: int) -> Iterator[Milestone]:
        known.at = packet.at
        key = packet.source, packet.source_port
        if code == _ACK:
            known.acked = _later(known.acked or 0, packet)
            if self._half and known.acked:
                self._forget(key)
            elif known.last is not None and known.acked >= known.last:
                yield from self._close(key)
        elif code == _ERROR:
            if not known.acked:  # PXE ROMs and UEFI break off when they know the size (RFC 2349)
                self._forget(key)
            else:
                known.ended = f"the machine broke off after {known.acked} blocks: {_error(packet)}"
                yield from self._close(key)

    def _close(self, key: tuple[bytes, int]) -> Iterator[Milestone]:
        yield _told(self._forget(key))

    def _forget(self, key: tuple[bytes, int]) -> _Transfer:
        self.watched.discard(key[1])
        return self._open.pop(key)


def _told(known: _Transfer) -> Milestone:
    name = known.file.rsplit("/", 1)[-1]
    data: dict[str, Any] = {"file": known.file}
    kind, words = kind_of(known.file), f"sent {name} by TFTP"
    if known.last is None or (known.acked or 0) < known.last:
        reason = "; ".join([*known.trouble, known.ended or _stopped(known)])
        data |= {"reason": reason, "failure": _failure(known)}
        data |= {"blksize": known.blksize, "blocks": known.acked or 0}
        kind, words = "boot.tftp-failed", f"{name} by TFTP: {reason}"
    at = datetime.fromtimestamp(known.at, UTC)
    return Milestone(kind, words, known.mac.hex(":"), str(IPv4Address(known.address)), at=at, data=data)


def _failure(known: _Transfer) -> TFTPFailure:
    if known.error == _NOT_FOUND:
        return TFTPFailure.NOT_FOUND
    if known.ended or known.acked:
        return TFTPFailure.BROKEN
    unanswered = known.acked is None and not known.answered
    return TFTPFailure.UNANSWERED if unanswered else TFTPFailure.FIRST_BLOCK


def _stopped(known: _Transfer) -> str:
    """Where a transfer stands that nobody ended."""
    block, size = (known.acked or 0) + 1, known.blksize
    if known.acked is None and not known.answered:
        return f"no answer to {known.asked} request{'s' if known.asked > 1 else ''} arrives"
    if known.sent >= block:
        return f"block {block} of {size} bytes was sent {known.again + 1} times and never acknowledged"
    if known.acked:
        return f"block {known.acked} of {size} bytes was acknowledged, and no other one came"
    return f"blocks of {size} bytes were agreed on, and none arrives"


def _later(count: int, packet: Packet) -> int:
    """The block's number, counted from the file's beginning: on the wire it starts again after 65535."""
    ahead = (int.from_bytes(packet.payload[2:4]) - count) % _BLOCKS
    return count + ahead if ahead < _BLOCKS // 2 else count


def _blksize(field: bytes) -> int:
    """What is asked for, or agreed on (RFC 2348), among names and numbers in turn; 512 where nothing is."""
    words = field.lower().split(b"\0")
    for name, value in pairwise(words):
        if name == b"blksize" and value.isdigit():
            return int(value)
    return 512


def _error(packet: Packet) -> str:
    return f"error {int.from_bytes(packet.payload[2:4])} {printable(packet.payload[4:])}".strip()
