"""From an Ethernet frame to the packet in it, if it can be about booting; all others cost a microsecond.

Most bytes of a capture are those of images: nothing is looked at but headers until the ports are known.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

ICMP, TCP, UDP = 1, 6, 17
DHCP_SERVER, DHCP_CLIENT, TFTP, PROXY_DHCP = 67, 68, 69, 4011
DHCP6_CLIENT, DHCP6_SERVER = 546, 547
PORTS = frozenset((DHCP_SERVER, DHCP_CLIENT, TFTP, PROXY_DHCP, DHCP6_CLIENT, DHCP6_SERVER))

_TAGS = (b"\x81\x00", b"\x88\xa8", b"\x91\x00")  # 802.1Q, 802.1ad, and QinQ from before 802.1ad
_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"
_HTTP = (b"GET ", b"HEAD", b"POST", b"HTTP")
SYN, RST = 2, 4  # flags of TCP: the beginning of a connection, and what refuses it


class Packet(NamedTuple):
    """One IP packet; `length` is the payload's as sent, of which a capture may hold only the beginning."""

    at: float
    mac: bytes
    vlan: int | None
    protocol: int
    source: bytes
    source_port: int
    target: bytes
    target_port: int
    length: int
    payload: bytes
    flags: int = 0


def packet(frame: bytes, at: float, vlan: int | None, watched: Container[int]) -> Packet | None:
    """The packet in `frame`; None when it is none of booting's, cut short or malformed.

    `vlan`: the tag that the kernel has taken off already. `watched`: UDP ports of transfers under way.
    """
    kind, start = frame[12:14], 14
    while kind in _TAGS:
        vlan = vlan or int.from_bytes(frame[start : start + 2]) & 0x0FFF
        kind, start = frame[start + 2 : start + 4], start + 4
    try:
        if kind == _IPV4:
            return _ipv4(frame, start, at, vlan, watched)
        return _dhcp6(frame, start, at, vlan) if kind == _IPV6 else None
    except IndexError:
        return None


def _ipv4(frame: bytes, start: int, at: float, vlan: int | None, watched: Container[int]) -> Packet | None:
    """RFC 791 section 3.1. Of a fragmented packet only the first part tells ports."""
    protocol, inner, flags = frame[start + 9], start + (frame[start] & 15) * 4, 0
    if frame[start + 6] & 0x1F or frame[start + 7]:
        return None
    source, target = frame[start + 12 : start + 16], frame[start + 16 : start + 20]
    if protocol == ICMP:
        return Packet(at, frame[6:12], vlan, ICMP, source, 0, target, 0, 0, frame[inner:])
    ports = frame[inner : inner + 4]
    source_port, target_port = ports[0] << 8 | ports[1], ports[2] << 8 | ports[3]
    if protocol == UDP and _wanted(source_port, target_port, watched):
        length, body = (frame[inner + 4] << 8 | frame[inner + 5]) - 8, frame[inner + 8 :]
    elif protocol == TCP:
        flags, begins = frame[inner + 13], inner + (frame[inner + 12] >> 4) * 4
        if not flags & (SYN | RST) and frame[begins : begins + 4] not in _HTTP:
            return None
        length, body = len(frame) - begins, frame[begins:]
    else:
        return None
    ends = source, source_port, target, target_port
    return Packet(at, frame[6:12], vlan, protocol, *ends, length, body[:length], flags)


def _wanted(source: int, target: int, watched: Container[int]) -> bool:
    return target in PORTS or source in PORTS or target in watched or source in watched


def _dhcp6(frame: bytes, start: int, at: float, vlan: int | None) -> Packet | None:
    """RFC 8200; DHCPv6 follows the fixed header."""
    inner = start + 40
    source, target = frame[start + 8 : start + 24], frame[start + 24 : start + 40]
    ports = frame[inner] << 8 | frame[inner + 1], frame[inner + 2] << 8 | frame[inner + 3]
    if frame[start + 6] != UDP or DHCP6_SERVER not in ports:
        return None
    body = frame[inner + 8 :]
    return Packet(at, frame[6:12], vlan, UDP, source, ports[0], target, ports[1], len(body), body)


def printable(said: bytes) -> str:
    """Text as it may be shown: up to the first NUL, without what would move a terminal's cursor."""
    return "".join(c for c in said.split(b"\0")[0].decode(errors="replace") if c.isprintable())
