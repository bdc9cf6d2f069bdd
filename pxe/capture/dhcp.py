"""DHCP messages as milestones (RFC 2131, 2132, 3046, 4578; proxyDHCP: the PXE specification 2.1)."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

import dpkt

from pxe.capture.packets import PROXY_DHCP, Packet, printable
from pxe.milestones import Milestone

KINDS = {1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK"}
_ANSWERS = ("OFFER", "ACK", "NAK")
_ETHERNET = 1
_SOLICIT = 1
# RFC 5970 section 3.3, as option 93: what a machine tells that boots by IPv6.
_CLIENT_ARCHITECTURE = 61

Options = dict[int, bytes]


def read(packet: Packet) -> Milestone | None:
    """The milestone of one message, undated; None for one that is not about booting.

    Raises dpkt.Error or IndexError for what is none.
    """
    message = dpkt.dhcp.DHCP(packet.payload)
    options = _options(message)
    kind = KINDS.get(options.get(53, b"\0")[0])
    if kind is None or message.hrd != _ETHERNET or message.magic != dpkt.dhcp.DHCP_MAGIC:
        return None
    if kind in _ANSWERS:
        data, words = _answer(packet, message, options, kind), _answer_words(message, kind)
    else:
        data, words = _question(packet, message, options), _question_words(packet, options, kind)
    address = _address(message.yiaddr) or _packed(options.get(50)) or _address(message.ciaddr)
    told = {key: value for key, value in data.items() if value is not None}
    return Milestone(f"boot.dhcp{kind.lower()}", words, message.chaddr[:6].hex(":"), address, data=told)


def solicits(packet: Packet) -> Milestone | None:
    """That a machine asks for a boot file by IPv6 (RFC 8415 section 16.2, RFC 5970)."""
    if packet.payload[:1] != bytes([_SOLICIT]):
        return None
    options = _options6(packet.payload[4:])
    if _CLIENT_ARCHITECTURE not in options:
        return None  # an operating system
    architecture = int.from_bytes(options[_CLIENT_ARCHITECTURE][:2])
    data = {"architecture": architecture} | ({"vlan": packet.vlan} if packet.vlan else {})
    return Milestone("boot.dhcp6", "asks by DHCPv6", packet.mac.hex(":"), data=data)


def _options(message: Any) -> Options:
    """By code; an option that comes in parts is one (RFC 3396)."""
    found: Options = {}
    for code, value in message.opts:
        found[code] = found.get(code, b"") + value
    return found


def _options6(field: bytes) -> Options:
    """Options of DHCPv6: 16 bits of code, 16 bits of length (RFC 8415 section 21.1)."""
    found: Options = {}
    while len(field) >= 4:
        length = int.from_bytes(field[2:4])
        found[int.from_bytes(field[:2])] = field[4 : 4 + length]
        field = field[4 + length :]
    return found


def _question(packet: Packet, message: Any, options: Options) -> dict[str, Any]:
    """What a machine tells of itself, and by which way it came."""
    return {
        "architecture": int.from_bytes(options[93][:2]) if options.get(93) else None,
        "vendor_class": _text(options.get(60)),
        "user_class": _user_class(options),
        "uuid": _uuid(options.get(97)),
        "vlan": packet.vlan,
        "relay": _address(message.giaddr),
        "circuit": _circuit(options.get(82)),
        "server": _packed(options.get(54)),
    }


def _question_words(packet: Packet, options: Options, kind: str) -> str:
    asked = _packed(options.get(50))
    if packet.target_port == PROXY_DHCP:
        return f"DHCP{kind} to {IPv4Address(packet.target)} port {PROXY_DHCP} (proxyDHCP)"
    return f"DHCP{kind} {asked}" if asked and kind != "DISCOVER" else f"DHCP{kind}"


def _answer(packet: Packet, message: Any, options: Options, kind: str) -> dict[str, Any]:
    """Who answers (option 54, else the sender), and what it tells to boot."""
    relay = _address(message.giaddr)
    return {
        "server": _packed(options.get(54)) or str(IPv4Address(packet.source)),
        # From behind a relay the frame has the relay's MAC.
        "server_mac": None if relay else packet.mac.hex(":"),
        "file": _text(options.get(67)) or _text(message.file),
        "next_server": _text(options.get(66)) or _address(message.siaddr),
        "vendor_class": _text(options.get(60)),
        "relay": relay,
        "vlan": packet.vlan,
        "proxy": True if kind != "NAK" and not message.yiaddr else None,
        "reason": _text(options.get(56)),
    }


def _answer_words(message: Any, kind: str) -> str:
    address = _address(message.yiaddr)
    if address or kind == "NAK":
        return f"DHCP{kind} {address}" if address else f"DHCP{kind}"
    return f"DHCP{kind} without an address (proxyDHCP)"


def _user_class(options: Options) -> str | None:
    """Option 77, with or without the length that RFC 3004 asks for; iPXE has option 175 as well."""
    said = options.get(77)
    if said and said[0] == len(said) - 1:
        said = said[1:]
    return _text(said) or ("iPXE" if 175 in options else None)


def _uuid(said: bytes | None) -> str | None:
    """Option 97: a type of 0 and 16 bytes, which OVMF and iPXE send in SMBIOS' own order (little-endian)."""
    return str(UUID(bytes_le=said[1:17])) if said and len(said) == 17 and any(said[1:]) else None


def _circuit(said: bytes | None) -> str | None:
    """Sub-option 1 of option 82: where the relay heard the machine, as a switch's port (RFC 3046)."""
    if not said or said[0] != 1:
        return None
    port = said[2 : 2 + said[1]]
    return port.decode() if port.isascii() and port.decode().isprintable() else port.hex(":")


def _text(said: bytes | None) -> str | None:
    return printable(said or b"") or None


def _packed(said: bytes | None) -> str | None:
    return str(IPv4Address(said)) if said and len(said) == 4 else None


def _address(number: int) -> str | None:
    return str(IPv4Address(number)) if number else None
