"""How the BMC itself is reached: LAN configuration parameters (IPMI 2.0 section 23)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from hwdrivers.ipmi.kept_session import KeptSession

_TRANSPORT = 0x0C  # network function
_IPV4, _MAC, _GATEWAY, _VLAN, _STATIC_IPV6, _DYNAMIC_IPV6 = 3, 5, 12, 20, 56, 59
_SLOTS = 4  # of IPv6 addresses: more than any BMC seen has in use


@dataclass(frozen=True)
class LAN:
    """None: not set, or not told. `vlan` is its number."""

    mac: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    gateway: str | None = None
    vlan: int | None = None


def read(bmc: KeptSession) -> LAN:
    """Of the channel that we came in on."""
    mac, vlan = _parameter(bmc, _MAC, 6), _parameter(bmc, _VLAN, 2)
    return LAN(
        mac=mac.hex(":") if mac and any(mac) else None,
        ipv4=_ipv4(_parameter(bmc, _IPV4, 4)),
        ipv6=_ipv6(bmc),
        gateway=_ipv4(_parameter(bmc, _GATEWAY, 4)),
        vlan=int.from_bytes(vlan, "little") & 0x0FFF if vlan and vlan[1] & 0x80 else None,
    )


def _parameter(bmc: KeptSession, number: int, length: int, selector: int = 0) -> bytes | None:
    data = (bmc.channel, number, selector, 0)
    code, answer = bmc.answer("read its LAN configuration", _TRANSPORT, 0x02, data)
    return answer[1 : 1 + length] if code == 0 and len(answer) > length else None


def _ipv4(raw: bytes | None) -> str | None:
    return str(IPv4Address(raw)) if raw and any(raw) else None


def _ipv6(bmc: KeptSession) -> str | None:
    """The first address in use that reaches further than the cable (table 23-4; byte 20: 0 means active)."""
    for parameter in (_STATIC_IPV6, _DYNAMIC_IPV6):
        for slot in range(_SLOTS):
            raw = _parameter(bmc, parameter, 20, slot)
            if raw is None:
                break
            address = IPv6Address(raw[2:18])
            if raw[19] == 0 and int(address) and not address.is_link_local:
                return str(address)
    return None
