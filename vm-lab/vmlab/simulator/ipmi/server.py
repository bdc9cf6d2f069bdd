"""RMCP packets to simulated BMCs and what they answer: presence, log-in, sessions."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from vmlab.simulator.faults import Kind
from vmlab.simulator.fleet import Fleet
from vmlab.simulator.ipmi import commands, console, settings, storage
from vmlab.simulator.ipmi import messages as wire
from vmlab.simulator.ipmi.commands import Asked
from vmlab.simulator.ipmi.session import SUITES, Session
from vmlab.simulator.machine import Machine

# Their commands are known once they are imported.
_ALL_COMMANDS = (console, settings, storage)
# RMCP+ status codes, table 13-15.
_NO_RESOURCES, _NO_SESSION, _BAD_NAME, _BAD_CODE, _NO_SUITE = 0x01, 0x02, 0x0D, 0x0F, 0x11
_AUTH_CAPABILITIES, _CIPHER_SUITES = 0x0638, 0x0654
# A log-in that is not finished by then is forgotten.
_HALF_OPEN_SECONDS = 20.0


class IPMI:
    """`handle` gets a packet and gives the packet to be sent back, if any."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        #: Sends a packet that is no answer: what a console shows.
        self.send: Callable[[bytes, Machine, Any], None] = lambda *_: None
        self._limit = fleet.settings.ipmi_sessions
        self._timeout = fleet.settings.ipmi_timeout
        self._ids = itertools.count(int.from_bytes(os.urandom(3), "big") << 4 | 1)
        self._login = {
            wire.OPEN_REQUEST: self._open_session,
            wire.RAKP1: self._rakp1,
            wire.RAKP3: self._rakp3,
        }

    def handle(self, packet: bytes, machine: Machine, peer: Any) -> bytes | None:
        if len(packet) < 12 or packet[0] != 6:
            return None
        if packet[3] == 7:
            machine.requests += 1
            if packet[4] == 6:
                return self._rmcp_plus(packet, machine, peer)
            return self._ipmi_1_5(packet, machine) if packet[4] == 0 else None
        return _pong(packet) if packet[3] == 6 and packet[8] == 0x80 else None

    # --- outside of sessions

    def _ipmi_1_5(self, packet: bytes, machine: Machine) -> bytes | None:
        answer = self._outside(packet[14 : 14 + packet[13]], machine) if len(packet) > 20 else None
        return None if answer is None else wire.outside_session(answer)

    def _outside(self, message: bytes, machine: Machine) -> bytes | None:
        """The answer to what a stranger may ask."""
        request = wire.read_request(message)
        if request is None:
            return None
        if request.key == _AUTH_CAPABILITIES:
            answer = _capabilities(request.data, machine.personality.ipmi.manufacturer)
        elif request.key == _CIPHER_SUITES:
            answer = _cipher_suites(request.data)
        elif request.key == 0x0637:
            answer = b"\x00" + machine.personality.guid(machine)
        else:
            answer = commands.NO_PRIVILEGE if request.key in commands.COMMANDS else commands.INVALID_COMMAND
        return wire.response(request, answer, Kind.CHECKSUM in machine.faults)

    # --- the log-in

    def _rmcp_plus(self, packet: bytes, machine: Machine, peer: Any) -> bytes | None:
        if len(packet) < 24:
            return None
        kind = packet[5] & 0x3F
        payload = packet[16 : 16 + int.from_bytes(packet[14:16], "little")]
        if packet[5] == wire.IPMI and packet[6:10] == bytes(4):  # so ipmitool 1.8.19 asks for cipher suites
            answer = self._outside(payload, machine)
            return None if answer is None else wire.rmcp_plus(wire.IPMI, 0, 0, answer)
        if kind in (wire.IPMI, wire.SOL):
            return self._in_session(kind, packet, machine, peer)
        step = self._login.get(kind)
        return step(payload, machine, peer) if step is not None and len(payload) >= 8 else None

    def _open_session(self, payload: bytes, machine: Machine, peer: Any) -> bytes | None:
        if len(payload) < 32:
            return None
        console = payload[4:8]
        head = bytes((payload[0], 0, payload[1] & 0xF or 4, 0)) + console
        # A proposal of length 0 means "anything"; ours is the better suite then.
        proposed = tuple(
            payload[at + 4] if payload[at + 3] else best for at, best in ((8, 3), (16, 4), (24, 1))
        )
        suite = SUITES.get(proposed)  # type: ignore[arg-type]
        if suite is None or suite.number not in machine.personality.ipmi.suites:
            return _refused(wire.OPEN_RESPONSE, payload[0], _NO_SUITE, console)
        session = _half_open(machine, console, peer)
        if session is None:
            if not self._makes_room(machine):
                return _refused(wire.OPEN_RESPONSE, payload[0], _NO_RESOURCES, console)
            session = Session(machine, suite, next(self._ids) & 0xFFFFFFFF, console, peer)
            machine.sessions.append(session)
        session.last = self._fleet.now()
        chosen = b"%c\x00\x00\x08%c\x00\x00\x00"
        agreed = b"".join(chosen % pair for pair in ((0, suite.authentication), (1, suite.integrity), (2, 1)))
        answer = head + session.id.to_bytes(4, "little") + agreed
        return wire.rmcp_plus(wire.OPEN_RESPONSE, 0, 0, answer)

    def _makes_room(self, machine: Machine) -> bool:
        now = self._fleet.now()
        if machine.sessions:
            oldest, waiting = now - self._timeout, now - _HALF_OPEN_SECONDS
            machine.sessions = [s for s in machine.sessions if s.last > (oldest if s.open else waiting)]
            half = [session for session in machine.sessions if not session.open]
            if len(half) >= self._limit:
                machine.sessions.remove(half[0])
        return machine.open_ipmi_sessions() < self._limit and Kind.FULL not in machine.faults

    def _rakp1(self, payload: bytes, machine: Machine, _peer: Any) -> bytes | None:
        session = _of(machine, payload[4:8])
        if len(payload) < 28 or session is None or session.open:
            return _refused(wire.RAKP2, payload[0], _NO_SESSION, bytes(4))
        session.last = self._fleet.now()
        # The same once more means that our answer was lost.
        heard = session.user is not None or machine.login_begins(session.last)
        user = payload[28 : 28 + payload[27]]
        key = _key(machine, user)
        if not heard or key is None:
            machine.sessions.remove(session)
            if heard:
                machine.login_ends(right=False)
            return _refused(wire.RAKP2, payload[0], _BAD_NAME, session.console)
        if session.console_random != payload[8:24]:
            session.challenge(payload[8:24], payload[24], user)
        guid = machine.personality.guid(machine)
        answer = session.bmc_random + guid + session.rakp2_code(key, guid)
        return wire.rmcp_plus(wire.RAKP2, 0, 0, bytes((payload[0], 0, 0, 0)) + session.console + answer)

    def _rakp3(self, payload: bytes, machine: Machine, _peer: Any) -> bytes | None:
        session = _of(machine, payload[4:8])
        if session is None or session.user is None:
            return _refused(wire.RAKP4, payload[0], _NO_SESSION, bytes(4))
        key = _key(machine, session.user)
        right = not payload[1] and key is not None and session.proves(key, payload[8:])
        if not session.open:
            machine.login_ends(right)
        if not right or key is None:
            machine.sessions.remove(session)
            return _refused(wire.RAKP4, payload[0], _BAD_CODE, session.console)
        session.last = self._fleet.now()
        code = session.begin(key, machine.personality.guid(machine))
        machine.count_sessions()
        return wire.rmcp_plus(wire.RAKP4, 0, 0, bytes((payload[0], 0, 0, 0)) + session.console + code)

    # --- sessions

    def _in_session(self, kind: int, packet: bytes, machine: Machine, peer: Any) -> bytes | None:
        session = _of(machine, packet[6:10])
        if session is None or not session.open:
            return None
        now = self._fleet.now()
        if now - session.last > self._timeout:
            machine.sessions.remove(session)
            return None
        message = session.read(packet)
        if message is None:
            return None
        session.last, session.peer = now, peer
        if kind == wire.SOL:
            if session.sol is not None:
                session.sol.received(message)
            return None
        request = wire.read_request(message)
        if request is None:
            return None
        if Kind.BUSY in machine.faults:
            answer = commands.BUSY
        else:
            show = partial(self._show, machine, session)
            asked = Asked(machine, session, request.data, self._fleet, show)
            answer = commands.answer(request.key, asked)
        response = wire.response(request, answer, Kind.CHECKSUM in machine.faults)
        return session.packet(wire.IPMI, response, Kind.INTEGRITY in machine.faults)

    def _show(self, machine: Machine, session: Session, payload: bytes) -> None:
        self.send(session.packet(wire.SOL, payload), machine, session.peer)


def _of(machine: Machine, number: bytes) -> Session | None:
    wanted = int.from_bytes(number, "little")
    for session in machine.sessions:
        if session.id == wanted:
            found: Session = session
            return found
    return None


def _half_open(machine: Machine, console: bytes, peer: Any) -> Session | None:
    """The one that this client asked for before: it has not heard our answer."""
    for session in machine.sessions:
        if not session.open and session.console == console and session.peer == peer:
            found: Session = session
            return found
    return None


def _key(machine: Machine, user: bytes) -> bytes | None:
    password = machine.passwords.get(user.decode("latin-1"))
    return None if password is None else password.encode()[:20].ljust(20, b"\0")


def _refused(kind: int, tag: int, status: int, console: bytes) -> bytes:
    return wire.rmcp_plus(kind, 0, 0, bytes((tag, status, 0, 0)) + console)


def _pong(packet: bytes) -> bytes:
    # ASF 2.0 section 3.2.4.3: IANA 4542, no OEM; IPMI (bit 7), ASF 1.0 (1); no interactions.
    data = (4542).to_bytes(4, "big") + bytes(4) + b"\x81\x00" + bytes(6)
    return wire.RMCP_ASF + (4542).to_bytes(4, "big") + bytes((0x40, packet[9], 0, len(data))) + data


def _capabilities(asked: bytes, manufacturer: int) -> bytes:
    if len(asked) < 2:
        return commands.BAD_LENGTH
    # IPMI 1.5 log-ins: none of them. Only named users (bit 2). Who asks for it (bit 7) hears of IPMI 2.0.
    extended = b"\x80\x04\x02" if asked[0] & 0x80 else b"\x00\x04\x00"
    return b"\x00\x01" + extended + manufacturer.to_bytes(3, "little") + b"\x00"


def _cipher_suites(asked: bytes) -> bytes:
    # Section 22.15.2: records of C0h, number, algorithms (bits 7:6: 0, 1 integrity, 2 confidentiality).
    records = b"\xc0\x03\x01\x41\x81\xc0\x11\x03\x44\x81"
    at = (asked[2] & 0x3F) * 16 if len(asked) > 2 else 0
    return b"\x00\x01" + records[at : at + 16]
