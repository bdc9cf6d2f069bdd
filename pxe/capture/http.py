"""What machines fetch by HTTP on their way up, by path and status; images are not looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address

from pxe.capture.packets import RST, SYN, Packet, printable
from pxe.milestones import Milestone

# By path, the first that fits: the seed's own, Ironic's API for its agent, and what provisioners name alike.
_PATHS = (
    (re.compile(r"^POST /v1/continue_inspection"), "agent.report"),
    (re.compile(r"^GET /v1/lookup"), "agent.lookup"),
    (re.compile(r"^POST /v1/heartbeat/"), "agent.heartbeat"),
    (re.compile(r"^POST /v1/phone-home/"), "instance.home"),
    # The seed's entry script is iPXE's first question; what it leads to is the machine's own script.
    (re.compile(r"^GET (/boot\.ipxe|[^?]*\.(efi|kpxe|pxe|EFI))$"), "boot.http-loader"),
    (re.compile(r"^GET [^?]*(\.ipxe|/boot/script|grub\.cfg[^/?]*|/ipxe|preseed)(\?|$)"), "boot.script"),
    (re.compile(r"^GET [^?]*/(boot-)?(kernel|vmlinu[xz]|linux|bzImage)[^/?]*(\?|$)"), "boot.kernel"),
    (re.compile(r"^GET [^?]*/[^/?]*(initr|ramdisk|rootfs\.cpio)[^/?]*(\?|$)"), "boot.initramfs"),
)
_KNOCKS = 3  # the first repetitions of a SYN may be a busy server's

Connection = tuple[bytes, int, bytes, int]


@dataclass(frozen=True)
class _Knock:
    """Attempts to connect that nobody answered."""

    at: float
    mac: str
    times: int = 1


class Requests:
    """Requests that wait for their answer, and connections that are not open yet."""

    def __init__(self) -> None:
        self._asked: dict[Connection, Milestone] = {}
        self._knocks: dict[Connection, _Knock] = {}

    def take(self, packet: Packet) -> Iterator[Milestone]:
        """What a segment proves: an answer to a request, or that none is to be had."""
        to = packet.source, packet.source_port, packet.target, packet.target_port
        back = packet.target, packet.target_port, packet.source, packet.source_port
        if packet.flags & RST:
            if knock := self._knocks.pop(back, None):
                yield _unreachable(back, knock, "connection refused")
        elif packet.flags & SYN:
            self._knocked(packet, to, back)
        elif packet.payload.startswith(b"HTTP/"):
            if asked := self._asked.pop(back, None):
                yield _answered(asked, printable(packet.payload.split(b"\r\n")[0]))
        elif asked := _request(packet):
            self._asked[to] = asked

    def end(self) -> Iterator[Milestone]:
        """What nobody answered: the request at least proves how far the machine came."""
        for asked in self._asked.values():
            yield replace(asked, message=f"{asked.message}: no answer seen")
        for connection, knock in self._knocks.items():
            if knock.times >= _KNOCKS:
                yield _unreachable(connection, knock, f"no answer to {knock.times} attempts to connect")

    def _knocked(self, packet: Packet, to: Connection, back: Connection) -> None:
        if back in self._knocks:  # SYN-ACK
            del self._knocks[back]
            return
        known = self._knocks.get(to)
        times = known.times + 1 if known else 1
        self._knocks[to] = _Knock(packet.at, packet.mac.hex(":"), times)


def _request(packet: Packet) -> Milestone | None:
    line = printable(packet.payload.split(b"\r\n")[0])
    said = line.rsplit(" ", 1)[0]
    kind = next((kind for pattern, kind in _PATHS if pattern.search(said)), None)
    if kind is None:
        return None
    path = said.split(" ", 1)[1]
    at = datetime.fromtimestamp(packet.at, UTC)
    who = packet.mac.hex(":"), str(IPv4Address(packet.source))
    server = f"{IPv4Address(packet.target)}:{packet.target_port}"
    return Milestone(kind, f"{said} from {server}", *who, at=at, data={"file": path, "server": server})


def _answered(asked: Milestone, status: str) -> Milestone:
    """`status`: HTTP/1.1 404 Not Found."""
    reason = status.partition(" ")[2]
    if reason[:1] in ("1", "2", "3"):
        return asked
    kind = {"boot.script": "boot.script-refused"}.get(asked.kind, "boot.http-failed")
    kind = "agent.refused" if asked.kind.startswith(("agent.", "instance.")) else kind
    data = {**asked.data, "reason": reason}
    return replace(asked, kind=kind, message=f"{asked.message}: {reason}", data=data)


def _unreachable(connection: Connection, knock: _Knock, reason: str) -> Milestone:
    server = f"{IPv4Address(connection[2])}:{connection[3]}"
    return Milestone(
        "boot.http-failed",
        f"{server}: {reason}",
        knock.mac,
        str(IPv4Address(connection[0])),
        at=datetime.fromtimestamp(knock.at, UTC),
        data={"server": server, "reason": reason},
    )
