"""Serial over LAN: section 15 of IPMI 2.0, payload commands of section 24.

The simulated host tells how it boots when it is switched on, and echoes what is typed.
"""

from __future__ import annotations

from collections.abc import Callable

from vmlab.simulator.ipmi.commands import INVALID_DATA, OK, Asked, command
from vmlab.simulator.machine import Machine

_BOOT = (
    "\r\nLab BIOS 1.2.3\r\nPress F2 for setup\r\nBooting from {device}\r\n"
    "Linux version 6.1.0 (lab)\r\n[    0.000000] Command line: console=ttyS0\r\n"
    "[    1.234567] Run /init as init process\r\n\r\n{name} login: "
)
_PART = 200  # bytes of a packet; less than any BMC's inbound limit


class Console:
    """What goes to one activated session: packets are numbered 1 to 15, one on its way at a time."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._heard = 0
        self._waiting = b""
        self._number = 0
        self._unacknowledged = b""

    def write(self, text: bytes) -> None:
        self._waiting += text
        if not self._unacknowledged:
            self._next()

    def received(self, payload: bytes) -> None:
        """Sequence number, acknowledged number, count accepted, status, characters: table 15-2."""
        if len(payload) < 4:
            return
        sequence, acknowledged = payload[0] & 0xF, payload[1] & 0xF
        if sequence:
            self._send(bytes((0, sequence, min(len(payload) - 4, 255), 0)))
        if acknowledged and acknowledged == self._number and self._unacknowledged:
            accepted, self._unacknowledged = payload[2], self._unacknowledged
            self._waiting = self._unacknowledged[accepted:] + self._waiting
            self._unacknowledged = b""
            self._next()
        if sequence not in (0, self._heard):
            self._heard = sequence
            self.write(payload[4:].replace(b"\r", b"\r\n"))

    def booted(self, machine: Machine) -> None:
        self.write(_boot_text(machine))

    def _next(self) -> None:
        if self._waiting:
            self._number = self._number % 15 + 1
            self._unacknowledged, self._waiting = self._waiting[:_PART], self._waiting[_PART:]
            self._send(bytes((self._number, 0, 0, 0)) + self._unacknowledged)


def _boot_text(machine: Machine) -> bytes:
    device = machine.boot.get("BootSourceOverrideTarget", "None")
    device = device if machine.boot.get("BootSourceOverrideEnabled") in ("Once", "Continuous") else "disk"
    return _BOOT.format(device=device, name=f"sim-{machine.own.lower()}").encode()


@command(0x06, 0x48)
def activate(asked: Asked) -> bytes:
    if asked.data[0] & 0x3F != 1:
        return INVALID_DATA
    if any(session.sol for session in asked.machine.sessions):
        return b"\x80"  # active already, with somebody else or with this one
    port = asked.fleet.ipmi_port
    asked.session.sol = Console(asked.console)
    asked.machine.done.append("sol on")
    # Sizes of packets to and from us, our port, no VLAN.
    sizes = (255).to_bytes(2, "little") * 2
    return OK + bytes(4) + sizes + port.to_bytes(2, "little") + b"\xff\xff"


@command(0x06, 0x49)
def deactivate(asked: Asked) -> bytes:
    active = [session for session in asked.machine.sessions if session.sol is not None]
    for session in active:
        session.sol = None
        asked.machine.done.append("sol off")
    return OK if active else b"\x80"


@command(0x06, 0x4A)
def activation(asked: Asked) -> bytes:
    active = any(session.sol for session in asked.machine.sessions)
    return OK + bytes((1, int(active), 0))


@command(0x06, 0x4B)
def instance_info(asked: Asked) -> bytes:
    owner = next((session.id for session in asked.machine.sessions if session.sol), 0)
    return OK + owner.to_bytes(4, "little") + bytes(8)


@command(0x0C, 0x22)
def sol_configuration(asked: Asked) -> bytes:
    """Section 26.3."""
    known = {
        0: b"\x00",
        1: b"\x01",  # enabled
        2: b"\xc2",  # encrypted and authenticated, operator
        3: b"\x0a\x60",
        4: b"\x07\x32",
        5: b"\x0a",  # 115.2 kbit/s
        6: b"\x0a",
        7: b"\x01",
        8: b"\x6f\x02",
    }
    told = known.get(asked.data[1])
    return b"\x80" if told is None else OK + b"\x11" + told


@command(0x0C, 0x21)
def set_sol_configuration(asked: Asked) -> bytes:
    return OK
