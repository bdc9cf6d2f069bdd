"""Hear which Redfish services announce themselves: SSDP (DSP0266, "Discovering the services"; UPnP 1.1).

Asked are the segments from which the range is reached, once each; what answers from elsewhere is ignored.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hwdrivers.redfish.service_root import RedfishPort
from hwdrivers.targets import IPAddress

_URN = "urn:dmtf-org:service:redfish-rest:"
_GROUPS = {4: "239.255.255.250", 6: "ff02::c"}
_PORT = 1900
_HOPS = 2  # as DSP0266 recommends
_ASKED_TWICE, _LISTEN = 0.5, 2.0  # seconds: multicast gets lost; MX 1 has services answer within one


@dataclass(frozen=True)
class Announcement:
    """Where a Redfish service says that it is; `host` may be a name."""

    host: str
    port: RedfishPort


def read_announcement(packet: bytes) -> Announcement | None:
    """An answer to M-SEARCH or a NOTIFY of a Redfish service; None: anything else."""
    start, _, rest = packet.decode("ascii", "replace").partition("\r\n")
    headers = dict(_headers(rest))
    answer = start.startswith("HTTP/1.1 200") and headers.get("ST", "").startswith(_URN)
    alive = start.startswith("NOTIFY ") and headers.get("NTS") == "ssdp:alive"
    if not answer and not (alive and headers.get("NT", "").startswith(_URN)):
        return None
    return _location(headers.get("AL", "").strip("<> "))


def _headers(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip().upper(), value.strip()


def _location(url: str) -> Announcement | None:
    try:
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        return Announcement(parts.hostname, RedfishPort(parts.port or (443 if tls else 80), tls))
    except ValueError:
        return None


async def listen(targets: Iterable[IPAddress], heard: Callable[[str, RedfishPort], None]) -> None:
    """Ask twice and tell what answers from inside `targets`; returns after two seconds."""
    inside = {str(target): target for target in targets}
    with contextlib.ExitStack() as stack:
        loop = asyncio.get_running_loop()
        askers = []
        for source, interface in _sources(inside.values()):
            for make in (_asker, _listener):
                with contextlib.suppress(OSError):  # a way without multicast, or port 1900 taken for good
                    sock = stack.enter_context(make(source, interface))
                    loop.add_reader(sock, _receive, sock, inside, heard)
                    stack.callback(loop.remove_reader, sock)
                    if make is _asker:
                        askers.append((sock, source, interface))
        for pause in (_ASKED_TWICE, _LISTEN - _ASKED_TWICE):
            for asker in askers:
                _ask(*asker)
            await asyncio.sleep(pause if askers else 0)


def _sources(targets: Iterable[IPAddress]) -> set[tuple[IPAddress, int]]:
    """Our addresses, and the numbers of their interfaces (IPv6), from which the range is reached."""
    found = set()
    samples = {(target.version, int(target) >> 8): target for target in targets}
    for target in samples.values():
        with contextlib.suppress(OSError), _socket(target) as probe:
            zone = getattr(target, "scope_id", None)
            where = (str(target).partition("%")[0], 9)
            # Connecting a datagram socket looks up the route and sends nothing.
            probe.connect((*where, 0, socket.if_nametoindex(zone)) if zone else where)
            source = ipaddress.ip_address(probe.getsockname()[0].partition("%")[0])
            found.add((source, _interface(source)))
    # The loopback carries no multicast.
    return {(s, number) for s, number in found if not s.is_loopback and (s.version == 4 or number)}


def _interface(source: IPAddress) -> int:
    """The number of the interface that has this IPv6 address; 0 otherwise."""
    if source.version == 4:
        return 0
    for line in Path("/proc/net/if_inet6").read_text().splitlines():
        address, index, *_ = line.split()
        if bytes.fromhex(address) == source.packed:
            return int(index, 16)
    return 0


def _socket(address: IPAddress) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)


def _asker(source: IPAddress, interface: int) -> socket.socket:
    sock = _socket(source)
    if source.version == 4:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, source.packed)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _HOPS)
        sock.bind((str(source), 0))
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOPS)
        # Else the kernel takes the link-local address, whose answers come from addresses that were not asked.
        sock.bind((str(source), 0, 0, interface if source.is_link_local else 0))
    return sock


def _listener(source: IPAddress, interface: int) -> socket.socket:
    """Hears NOTIFY; other programs of this machine may listen beside us."""
    sock = _socket(source)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    group = ipaddress.ip_address(_GROUPS[source.version])
    if source.version == 4:
        sock.bind((str(group), _PORT))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group.packed + source.packed)
    else:
        sock.bind((str(group), _PORT, 0, interface))
        membership = group.packed + struct.pack("@I", interface)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
    return sock


def _ask(sock: socket.socket, source: IPAddress, interface: int) -> None:
    group = _GROUPS[source.version]
    host = f"[{group}]" if source.version == 6 else group
    lines = (
        "M-SEARCH * HTTP/1.1",
        f"HOST: {host}:{_PORT}",
        'MAN: "ssdp:discover"',
        "MX: 1",
        f"ST: {_URN}1",
        "USER-AGENT: undercloud",
        "",
        "",
    )
    where = (group, _PORT) if source.version == 4 else (group, _PORT, 0, interface)
    with contextlib.suppress(OSError):
        sock.sendto("\r\n".join(lines).encode(), where)


def _receive(
    sock: socket.socket, inside: dict[str, IPAddress], heard: Callable[[str, RedfishPort], None]
) -> None:
    while True:
        try:
            packet, sender = sock.recvfrom(3000)
        except OSError:
            return
        announcement = read_announcement(packet)
        if announcement is not None:
            # A name is not looked up: whoever answers knows where it answered from.
            for host in (announcement.host, sender[0]):
                if host in inside:
                    heard(host, announcement.port)
                    break
