"""TFTP transfers, followed from the request to the last block (RFC 1350, 2347 to 2349, 7440)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

from pxe.capture.packets import TFTP, UDP, Packet, printable
from pxe.milestones import Milestone

_REQUEST, _DATA, _ACK, _ERROR, _OPTIONS = 1, 3, 4, 5, 6
_UNREACHABLE = 3
_CODES = {1: "host unreachable", 3: "port unreachable", 4: "fragmentation needed", 13: "forbidden"}
_BLOCKS = 1 << 16  # block numbers start again after so many


@dataclass
class _Transfer:
    """`sent` and `acked` count blocks; `last` is the one that ends the file."""

    mac: bytes
    address: bytes
    file: str
    at: float
    asked: int = 1
    answered: bool = False
    agreed: bool = False
    blksize: int = 512
    size: int | None = None
    sent: int = 0
    acked: int = 0
    last: int | None = None
    again: int = 0
    trouble: list[str] = field(default_factory=list)
    ended: str | None = None


class Transfers:
    """All transfers under way; `watched` are the clients' ports, on either side of what belongs to them."""

    def __init__(self) -> None:
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

    def end(self) -> Iterator[Milestone]:
        """What became of the transfers that are still open."""
        for key in list(self._open):
            yield from self._close(key)

    def _requested(self, packet: Packet) -> Iterator[Milestone]:
        key = packet.source, packet.source_port
        name = printable(packet.payload[2:])
        known = self._open.get(key)
        if known and known.file == name and not known.answered:
            known.asked, known.at = known.asked + 1, packet.at
            return
        for other in [other for other in self._open if other[0] == packet.source]:
            yield from self._close(other)  # firmware fetches one file after another
        self._open[key] = _Transfer(packet.mac, packet.source, name, packet.at)
        self.watched.add(packet.source_port)

    def _from_server(self, known: _Transfer, packet: Packet, code: int) -> Iterator[Milestone]:
        known.answered, known.at = True, packet.at
        if code == _OPTIONS:
            options = _options(packet.payload[2:])
            known.again += known.agreed
            known.agreed = True
            known.blksize = options.get("blksize", known.blksize)
            known.size = options.get("tsize", known.size)
        elif code == _DATA:
            block = _later(known.sent, packet)
            known.again += block <= known.sent
            known.sent = max(block, known.sent)
            if block == known.sent and packet.length - 4 < known.blksize:
                known.last = block
        elif code == _ERROR:
            known.ended = f"the server says: {_error(packet)}"
            yield from self._close((packet.target, packet.target_port))

    def _from_client(self, known: _Transfer, packet: Packet, code: int) -> Iterator[Milestone]:
        known.at = packet.at
        key = packet.source, packet.source_port
        if code == _ACK:
            block = _later(known.acked, packet)
            known.again += block == known.acked > 0
            known.acked = max(block, known.acked)
            if known.last is not None and known.acked >= known.last:
                yield from self._close(key)
        elif code == _ERROR:
            if known.acked == 0:  # PXE ROMs and UEFI break off when they know the size (RFC 2349)
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
    data |= {"size": known.size} if known.size is not None else {}
    kind, words = "boot.tftp", f"sent {name} by TFTP"
    if known.last is None or known.acked < known.last:
        reason = "; ".join([*known.trouble, known.ended or _stopped(known)])
        data |= {"reason": reason, "blksize": known.blksize, "blocks": known.acked}
        kind, words = "boot.tftp-failed", f"{name} by TFTP: {reason}"
    at = datetime.fromtimestamp(known.at, UTC)
    return Milestone(kind, words, known.mac.hex(":"), str(IPv4Address(known.address)), at=at, data=data)


def _stopped(known: _Transfer) -> str:
    """Where a transfer stands that nobody ended."""
    if not known.answered:
        return f"no answer to {known.asked} request{'s' if known.asked > 1 else ''}"
    if known.sent > known.acked:
        return (
            f"block {known.acked + 1} of {known.blksize} bytes was sent and never acknowledged "
            f"({known.again} repetitions)"
        )
    if known.sent:
        return f"block {known.sent} of {known.blksize} bytes was acknowledged, and no other one came"
    return f"blocks of {known.blksize} bytes were agreed on, and none came"


def _later(count: int, packet: Packet) -> int:
    """The block's number, counted from the file's beginning: on the wire it starts again after 65535."""
    ahead = (int.from_bytes(packet.payload[2:4]) - count) % _BLOCKS
    return count + ahead if ahead < _BLOCKS // 2 else count


def _options(field: bytes) -> dict[str, int]:
    """Names and numbers of an acknowledgement of options (RFC 2347)."""
    words = field.split(b"\0")
    pairs = zip(words[::2], words[1::2], strict=False)
    return {name.decode(errors="replace").lower(): int(value) for name, value in pairs if value.isdigit()}


def _error(packet: Packet) -> str:
    return f"error {int.from_bytes(packet.payload[2:4])} {printable(packet.payload[4:])}".strip()
