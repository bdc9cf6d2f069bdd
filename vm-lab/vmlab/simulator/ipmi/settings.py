"""LAN configuration, users and channels of a simulated BMC. Sections are of IPMI 2.0."""

from __future__ import annotations

from vmlab.simulator.ipmi.commands import ADMINISTRATOR, INVALID_DATA, OK, OUT_OF_RANGE, Asked, command
from vmlab.simulator.personality import own_mac

_MOST_USERS = 16
# User ids begin at 1, which is the nameless one; named users follow.
_FIRST_NAMED = 2


@command(0x0C, 0x02)
def lan(asked: Asked) -> bytes:
    """Section 23.2; parameters of table 23-4."""
    number = asked.machine.number.to_bytes(4, "big")
    mac = bytes.fromhex(own_mac("02:1A:B0:00:00:00", asked.machine).replace(":", ""))
    known = {
        0: b"\x00",  # no change is in progress
        3: number,
        4: b"\x01",  # a static address
        5: mac,
        6: b"\xff\xff\x00\x00",
        12: number[:3] + b"\x01",
        16: b"public".ljust(18, b"\0"),
        20: b"\x00\x00",  # no VLAN
    }
    recorded = asked.personality.ipmi.lan.get(str(asked.data[1]))
    told = bytes.fromhex(recorded) if recorded else known.get(asked.data[1])
    return b"\x80" if told is None else OK + b"\x11" + told


def _user(asked: Asked, number: int) -> str | None:
    names = list(asked.machine.passwords)
    at = (number & 0x3F) - _FIRST_NAMED
    return names[at] if 0 <= at < len(names) else None


@command(0x06, 0x44)
def user_access(asked: Asked) -> bytes:
    number = asked.data[1]
    if not 0 < number & 0x3F <= _MOST_USERS:
        return OUT_OF_RANGE
    enabled = len(asked.machine.passwords)
    access = 0x34 if _user(asked, number) else 0x0F  # link and IPMI on, administrator; or no access
    return OK + bytes((_MOST_USERS, 0x40 | enabled, 1, access))


@command(0x06, 0x43, ADMINISTRATOR)
def set_user_access(asked: Asked) -> bytes:
    return OK


@command(0x06, 0x46)
def user_name(asked: Asked) -> bytes:
    number = asked.data[0]
    if not 0 < number & 0x3F <= _MOST_USERS:
        return OUT_OF_RANGE
    return OK + (_user(asked, number) or "").encode()[:16].ljust(16, b"\0")


@command(0x06, 0x47, ADMINISTRATOR)
def set_password(asked: Asked) -> bytes:
    """Section 22.30: disable, enable, set, test; bit 7 of the user id: 20 bytes instead of 16."""
    name, operation = _user(asked, asked.data[0]), asked.data[1] & 3
    if name is None:
        return INVALID_DATA
    password = asked.data[2:22].rstrip(b"\0").decode("latin-1")
    if operation == 2:
        asked.machine.passwords = {**asked.machine.passwords, name: password}
        asked.machine.done.append(f"password {name}")
    if operation == 3 and asked.machine.passwords[name] != password:
        return b"\x80"
    return OK


@command(0x06, 0x41)
def channel_access(asked: Asked) -> bytes:
    return OK + bytes((0x02, 0x04))  # always available; administrator at most


@command(0x06, 0x42)
def channel_info(asked: Asked) -> bytes:
    if asked.data[0] & 0xF not in (1, 0xE):
        return INVALID_DATA
    # 802.3 LAN, IPMB protocol, several sessions; vendor IPMI.
    return OK + bytes((1, 4, 1, 0x80, 0xF2, 0x1B, 0, 0, 0))
