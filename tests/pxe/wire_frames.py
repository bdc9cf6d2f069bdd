"""Frames as they stand on the wire of a machine that boots, made byte by byte."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import dpkt

MACHINE, SERVER, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:fe", "52:54:00:00:00:fd"
ADDRESS, SERVER_IP, OTHER_IP = "192.0.2.101", "192.0.2.1", "192.0.2.254"
EVERYBODY = "ff:ff:ff:ff:ff:ff"
UUID = "12345678-9abc-def0-1234-56789abcdef0"
_UUID_SENT = b"\0" + bytes.fromhex("78563412bc9af0de123456789abcdef0")
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK = 1, 2, 3, 4, 5, 6


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def frame(inner: dpkt.Packet, source: str, target: str, vlan: int | None = None) -> bytes:
    kind = 0x86DD if isinstance(inner, dpkt.ip6.IP6) else 0x0800
    tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
    return _mac(target) + _mac(source) + tag + struct.pack("!H", kind) + bytes(inner)


def ip(inner: dpkt.Packet, protocol: int, source: str, target: str) -> dpkt.ip.IP:
    packed = socket.inet_aton(source), socket.inet_aton(target)
    return dpkt.ip.IP(src=packed[0], dst=packed[1], p=protocol, data=inner, len=20 + len(inner))


def udp(data: bytes, sport: int, dport: int) -> dpkt.udp.UDP:
    return dpkt.udp.UDP(sport=sport, dport=dport, ulen=8 + len(data), data=data)


def asks(
    kind: int,
    options: dict[int, bytes] | None = None,
    *,
    mac: str = MACHINE,
    architecture: int | None = 7,
    vlan: int | None = None,
    relay: str = "0.0.0.0",
    to: tuple[str, int] = ("255.255.255.255", 67),
) -> bytes:
    """What a machine's firmware broadcasts; from `relay`, if given, it comes by unicast."""
    said: dict[int, bytes] = {53: bytes([kind])}
    if architecture is not None:
        said |= {60: f"PXEClient:Arch:{architecture:05}:UNDI:003016".encode()}
        said |= {93: struct.pack("!H", architecture), 97: _UUID_SENT}
    message = dpkt.dhcp.DHCP(
        op=1, chaddr=_mac(mac), opts=list((said | (options or {})).items()), giaddr=_number(relay)
    )
    return frame(ip(udp(bytes(message), 68, to[1]), 17, relay, to[0]), mac, EVERYBODY, vlan)


def answers(
    kind: int,
    options: dict[int, bytes] | None = None,
    *,
    mac: str = MACHINE,
    address: str = ADDRESS,
    server: tuple[str, str] = (SERVER_IP, SERVER),
    file: str = "",
    relay: str = "0.0.0.0",
) -> bytes:
    """What a DHCP server broadcasts, or sends to a relay; `file` in the fixed field, options may have 67."""
    said = {53: bytes([kind]), 54: socket.inet_aton(server[0])} | (options or {})
    message = dpkt.dhcp.DHCP(
        op=2,
        chaddr=_mac(mac),
        yiaddr=_number(address),
        siaddr=_number(server[0]) if file else 0,
        giaddr=_number(relay),
        file=file.encode(),
        opts=list(said.items()),
    )
    to = ("255.255.255.255", 68) if relay == "0.0.0.0" else (relay, 67)
    return frame(ip(udp(bytes(message), 67, to[1]), 17, server[0], to[0]), server[1], EVERYBODY)


def tftp(data: bytes, sport: int, dport: int) -> bytes:
    """From the machine when it goes to port 69 or to the server's 40069, else to the machine."""
    if dport in (69, 40069):
        return frame(ip(udp(data, sport, dport), 17, ADDRESS, SERVER_IP), MACHINE, SERVER)
    return frame(ip(udp(data, sport, dport), 17, SERVER_IP, ADDRESS), SERVER, MACHINE)


def rrq(file: str, port: int = 2000, **options: int) -> bytes:
    words = [file, "octet", *(str(word) for pair in options.items() for word in pair)]
    return tftp(b"\0\1" + b"".join(word.encode() + b"\0" for word in words), port, 69)


def oack(port: int = 2000, **options: int) -> bytes:
    words = [str(word) for pair in options.items() for word in pair]
    return tftp(b"\0\6" + b"".join(word.encode() + b"\0" for word in words), 40069, port)


def data(block: int, size: int, port: int = 2000) -> bytes:
    return tftp(struct.pack("!HH", 3, block % 65536) + b"x" * size, 40069, port)


def ack(block: int, port: int = 2000) -> bytes:
    return tftp(struct.pack("!HH", 4, block % 65536), port, 40069)


def error(code: int, words: str, port: int = 2000, *, by_machine: bool = False) -> bytes:
    said = struct.pack("!HH", 5, code) + words.encode() + b"\0"
    return tftp(said, port, 40069) if by_machine else tftp(said, 40069, port)


def unreachable(code: int, of: bytes, mtu: int = 0) -> bytes:
    """An ICMP message about a frame to the machine, from it or from a router."""
    quoted = struct.pack("!BBHHH", 3, code, 0, 0, mtu) + of[14 : 14 + 28]
    return frame(ip(quoted, 1, "192.0.2.77", SERVER_IP), MACHINE, SERVER)


def http(
    data: str, port: int = 30000, *, answer: bool = False, flags: int = 0x18, server: int = 8080
) -> bytes:
    ends = (server, port) if answer else (port, server)
    segment = dpkt.tcp.TCP(sport=ends[0], dport=ends[1], flags=flags, data=data.encode())
    if answer:
        return frame(ip(segment, 6, SERVER_IP, ADDRESS), SERVER, MACHINE)
    return frame(ip(segment, 6, ADDRESS, SERVER_IP), MACHINE, SERVER)


def dhcp6(architecture: int | None = 16) -> bytes:
    """DHCPv6 SOLICIT, by firmware with option 61."""
    told = b"" if architecture is None else struct.pack("!HHH", 61, 2, architecture)
    datagram = udp(b"\1\0\0\1" + struct.pack("!HH", 8, 2) + b"\0\0" + told, 546, 547)
    packet = dpkt.ip6.IP6(src=b"\xfe\x80" + b"\0" * 14, dst=b"\xff\2" + b"\0" * 13 + b"\2", nxt=17)
    packet.data, packet.plen = datagram, len(datagram)
    packet.extension_hdrs, packet.all_extension_headers = {}, []
    return frame(packet, MACHINE, "33:33:00:01:00:02")


def write(path: Path, frames: Iterable[bytes], *, ng: bool = False, link: int = 1) -> Path:
    """A capture file, one frame each second from 2026-11-23 00:00 UTC."""
    with path.open("wb") as file:
        writer = dpkt.pcapng.Writer(file) if ng else dpkt.pcap.Writer(file, linktype=link)
        for at, one in zip(count(1795392000), frames, strict=False):
            writer.writepkt(one, at)
    return path


def _number(address: str) -> int:
    return int.from_bytes(socket.inet_aton(address))
