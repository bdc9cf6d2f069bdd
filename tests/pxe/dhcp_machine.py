"""A machine's DHCP client, byte by byte, as its firmware speaks it (RFC 2131, 2132, 4578)."""

from __future__ import annotations

import itertools
import select
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

BROADCAST = b"\xff" * 6
MAGIC = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
_XIDS = itertools.count(0x5EED0001)
PATIENCE = 10.0
HTTP_BOOT = (15, 16, 18, 19, 20, 28)


@dataclass(frozen=True)
class Reply:
    """What came back: the fixed fields and all options."""

    kind: int
    mac: str
    address: str
    boot_file: str
    next_server: str
    options: dict[int, bytes]

    @property
    def boot_name(self) -> str:
        """Firmware takes option 67, else the fixed field."""
        return self.options.get(67, self.boot_file.encode()).rstrip(b"\0").decode()


@dataclass(frozen=True)
class Machine:
    """One NIC whose firmware is `architecture` (option 93); `ipxe`: iPXE speaks, not the ROM (option 175).

    `vlan`: it tags what it sends (802.1Q). `uuid`: what option 97 tells.
    """

    link: socket.socket
    mac: str
    architecture: int | None = 0
    ipxe: bool = False
    vlan: int | None = None
    uuid: bytes | None = None

    def discover(self) -> Reply:
        """The first answer to a DHCPDISCOVER, sent once more where nobody answers (RFC 2131 section 4.1)."""
        try:
            return self._answer(self.send(DISCOVER))
        except TimeoutError:
            return self._answer(self.send(DISCOVER))

    def discover_of(self, *servers: str) -> dict[str, Reply]:
        """What each of these servers offers, however many answer."""
        xid, found = self.send(DISCOVER), dict[str, Reply]()
        while not found.keys() >= set(servers):
            reply = self._answer(xid)
            found[str(IPv4Address(reply.options[54]))] = reply
        return found

    def ask_boot_server(self, server: str) -> Reply:
        """What is booted, asked of port 4011 (PXE specification 2.1 section 2.2.4), with an address already.

        Call it inside of the machine's namespace.
        """
        xid = next(_XIDS)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
            port.settimeout(PATIENCE)
            port.bind(("0.0.0.0", 68))
            port.sendto(_bootp(_octets(self.mac), xid, self._options(REQUEST)), (server, 4011))
            return _reply(port.recv(2048))

    def request(self, offer: Reply) -> Reply:
        """The answer to a DHCPREQUEST for what was offered."""
        options = {50: IPv4Address(offer.address).packed, 54: offer.options[54]}
        return self._answer(self.send(REQUEST, options))

    def ask_for(self, address: str) -> Reply:
        """The answer to a DHCPREQUEST as after a reboot, for its old address (RFC 2131 section 4.3.2)."""
        return self._answer(self.send(REQUEST, {50: IPv4Address(address).packed}))

    def send(self, kind: int, options: dict[int, bytes] | None = None) -> int:
        """Put one message on the wire; returns its transaction number."""
        xid = next(_XIDS)
        whole = _frame(_octets(self.mac), xid, self._options(kind) | (options or {}))
        tag = struct.pack("!HH", 0x8100, self.vlan) if self.vlan else b""
        self.link.send(whole[:12] + tag + whole[12:])
        return xid

    def _options(self, kind: int) -> dict[int, bytes]:
        asked = {53: bytes([kind]), 55: bytes([1, 3, 6, 12, 43, 60, 66, 67])}
        if self.architecture is not None:
            client = "HTTPClient" if self.architecture in HTTP_BOOT else "PXEClient"
            asked |= {
                60: f"{client}:Arch:{self.architecture:05}:UNDI:003016".encode(),
                93: struct.pack("!H", self.architecture),
            }
        if self.uuid is not None:
            asked[97] = b"\0" + self.uuid
        if self.ipxe:
            asked |= {77: b"iPXE", 175: bytes.fromhex("b105011af41000")}
        return asked

    def _answer(self, xid: int) -> Reply:
        while select.select([self.link], [], [], PATIENCE)[0]:
            found = read(self.link.recv(2048))
            if found and found[0] == xid:
                return found[1]
        raise TimeoutError(f"{self.mac}: no answer")


def plug_in(interface: str) -> socket.socket:
    """The wire, from the machine's side; call it inside the namespace."""
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    link.bind((interface, 0))
    return link


def waiting(link: socket.socket) -> list[Reply]:
    """Every reply that has arrived and that nobody read."""
    replies = []
    while select.select([link], [], [], 0)[0]:
        found = read(link.recv(2048))
        if found:
            replies.append(found[1])
    return replies


def read(frame: bytes) -> tuple[int, Reply] | None:
    """Transaction number and content of a BOOTREPLY; None for any other frame."""
    if len(frame) < 34 or frame[23] != socket.IPPROTO_UDP:
        return None
    udp = 14 + (frame[14] & 15) * 4
    if struct.unpack_from("!HH", frame, udp) != (67, 68):
        return None
    message = frame[udp + 8 :]
    return struct.unpack_from("!I", message, 4)[0], _reply(message)


def _reply(message: bytes) -> Reply:
    options = _options(message[240:])
    return Reply(
        kind=options[53][0],
        mac=message[28:34].hex(":"),
        address=str(IPv4Address(message[16:20])),
        boot_file=message[108:236].split(b"\0")[0].decode(),
        next_server=str(IPv4Address(message[20:24])),
        options=options,
    )


def _options(field: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at < len(field) and field[at] != 255:
        if field[at] == 0:
            at += 1
            continue
        length = field[at + 1]
        found[field[at]] = field[at + 2 : at + 2 + length]
        at += 2 + length
    return found


def _bootp(mac: bytes, xid: int, options: dict[int, bytes]) -> bytes:
    fields = b"".join(bytes([code, len(value)]) + value for code, value in options.items())
    return struct.pack("!BBBBIHH16x6s10x64x128x", 1, 1, 6, 0, xid, 0, 0x8000, mac) + MAGIC + fields + b"\xff"


def _frame(mac: bytes, xid: int, options: dict[int, bytes]) -> bytes:
    bootp = _bootp(mac, xid, options)
    udp = struct.pack("!HHHH", 68, 67, 8 + len(bootp), 0) + bootp
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\0" * 4, b"\xff" * 4)
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return BROADCAST + mac + b"\x08\x00" + head + udp


def _checksum(head: bytes) -> int:
    total = sum(struct.unpack(f"!{len(head) // 2}H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
