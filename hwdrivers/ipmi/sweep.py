"""The power of many BMCs over RMCP+ (IPMI 2.0 section 13), on one UDP socket for each address family.

All else that is asked over IPMI goes through pyghmi (`hwdrivers.ipmi.session`). This is for fleets: four
packets to a BMC that we come to for the first time, one to a BMC that we are logged in to. Get Chassis Status
needs user privilege only (IPMI 2.0 table G-1); a session has that from the start (section 22.18), so it is
not set, and no more is requested in RAKP 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import random
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pyghmi.ipmi.private.constants import rmcp_codes  # the words only

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint, PowerState
from hwdrivers.credentials import ANONYMOUS, Credentials
from hwdrivers.errors import AccessDenied, BMCError, ProtocolError
from hwdrivers.ipmi.errors import refused, translated
from hwdrivers.ipmi.rmcp import GET_CHANNEL_AUTH, read_answer
from hwdrivers.ipmi.session import LoginError, SilenceError

# Seconds to wait for an answer to the first, second and third sending of one message.
WAITS = (1.0, 2.0, 3.0)
# A BMC ends an idle session after 60 s, give or take 3 (IPMI 2.0 section 6.12.15).
IDLE_LIMIT, GONE = 50.0, 63.0
# Seconds in which the same password is not tried again: BMCs that lock accounts count those of some minutes.
DENIED_FOR = 900.0

_RMCP = b"\x06\x00\xff\x07"  # version 1.0, no acknowledge, class IPMI (section 13.1.3)
_OPEN, _OPENED, _RAKP1, _RAKP2, _RAKP3, _RAKP4 = range(0x10, 0x16)  # payload types, table 13-16
_HELLO = 0x00  # no session, IPMI 1.5 format (section 13.6)
_SEALED = 0xC0  # payload type 0 (IPMI message), encrypted and authenticated
_ROLE = 0x10 | 0x02  # find the user by name alone; at most user privilege (table 13-11)
_CHASSIS, _APP = 0x00, 0x06
_GET_STATUS, _CLOSE_SESSION = 0x01, 0x3C
_STAGES: dict[int | None, str] = {
    _HELLO: "OPENSESSION",
    _OPENED: "OPENSESSION",
    _RAKP2: "EXPECTINGRAKP2",
    _RAKP4: "EXPECTINGRAKP4",
}  # in pyghmi's words
_LOST_SESSION = (0x02, 0x08)  # invalid, inactive session id (table 13-15)
# Linux' ip(7) and ipv6(7): errors that come back for a packet are kept for reading, with whom it was sent to.
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
_BUFFER = 4 << 20  # bytes of kernel memory for answers: 512 of them arrive at once

Peer = tuple[Any, ...]  # a socket address: (host, port), for IPv6 also flow and scope
Answered = Callable[[Endpoint, "PowerState | BMCError"], None]


class _Suite(NamedTuple):
    """A cipher suite (table 22-20) with AES-CBC-128: algorithm numbers, hash, bytes of the integrity code."""

    authentication: int
    integrity: int
    hash: str
    code: int


_SUITE_3, _SUITE_17 = _Suite(1, 1, "sha1", 12), _Suite(3, 4, "sha256", 16)
_SUITES = {(suite.authentication, suite.integrity): suite for suite in (_SUITE_3, _SUITE_17)}


def _checksum(data: bytes) -> int:
    return -sum(data) & 0xFF


def _message(netfn: int, command: int, data: bytes, number: int) -> bytes:
    """An IPMI request (figure 13-4) with its confidentiality trailer (table 13-20): whole AES blocks."""
    head = bytes((0x20, netfn << 2))
    body = bytes((0x81, number << 2, command)) + data
    message = head + bytes((_checksum(head),)) + body + bytes((_checksum(body),))
    pad = -(len(message) + 1) % 16
    return message + bytes(range(1, pad + 1)) + bytes((pad,))


_STATUS = [_message(_CHASSIS, _GET_STATUS, b"", number) for number in range(64)]


def _plain(kind: int, payload: bytes) -> bytes:
    """A packet outside of a session (table 13-8)."""
    return _RMCP + struct.pack("<BBIIH", 6, kind, 0, 0, len(payload)) + payload


@dataclass(slots=True, eq=False)
class _Talk:
    """What we know of one BMC, and how far the question to it has come."""

    sock: socket.socket
    peer: Peer
    endpoint: Endpoint  # of the question that is open, or was last
    credentials: Credentials  # of the session, or those that were denied
    followers: deque[Endpoint] = field(default_factory=deque)
    denied: tuple[AccessDenied, float] | None = None
    expects: int | None = None  # the payload type of the answer that is due; None: no question is open
    met: bool = False  # it was sent something before
    packet: bytes = b""  # the request for a session
    turn: int = 0  # counts what was sent, so that old timers are known
    sends: int = 0
    handshakes: int = 0
    fresh: bool = False  # logged in for this very question
    slow: bool = False
    forgotten: bool = False
    answers_strangers: bool = False
    tag: int = 0
    session: bytes = b""
    bmc_session: bytes = b""
    random: bytes = b""
    bmc_random: bytes = b""
    guid: bytes = b""
    suite: _Suite = _SUITE_17
    sik: bytes = b""
    k1: bytes = b""
    aes: bytes = b""
    logged_in: bool = False
    used: float = 0.0
    sequence: int = 0
    heard: int = 0  # the highest sequence number of the BMC
    number: int = 0  # of the request

    @property
    def name(self) -> bytes:
        return self.endpoint.credentials.username.encode()

    @property
    def role(self) -> bytes:
        """What RAKP signs of RAKP 1: requested role, name with its length (section 13.28)."""
        return bytes((_ROLE, len(self.name))) + self.name

    def signed(self, data: bytes) -> bytes:
        """HMAC with the user's key."""
        return hmac.digest(self.endpoint.credentials.password.reveal().encode(), data, self.suite.hash)

    def open_request(self) -> bytes:
        """RMCP+ Open Session Request (table 13-9), for a session id that no packet has had before."""
        self.tag = (self.tag + 1) & 0xFF
        self.session = os.urandom(4)
        suite = self.suite
        offers = ((0, suite.authentication), (1, suite.integrity), (2, 1))
        proposals = b"".join(struct.pack("<BHBBHB", kind, 0, 8, number, 0, 0) for kind, number in offers)
        return _plain(_OPEN, bytes((self.tag, 0, 0, 0)) + self.session + proposals)

    def rakp1(self) -> bytes:
        """Table 13-11."""
        self.tag = (self.tag + 1) & 0xFF
        self.random = os.urandom(16)
        name = self.name
        who = bytes((_ROLE, 0, 0, len(name))) + name
        return _plain(_RAKP1, bytes((self.tag, 0, 0, 0)) + self.bmc_session + self.random + who)

    def proves_password(self, code: bytes) -> bool:
        """Whether RAKP 2 comes from a BMC that knows the password."""
        randoms = self.random + self.bmc_random
        expected = self.signed(self.session + self.bmc_session + randoms + self.guid + self.role)
        return hmac.compare_digest(code, expected)

    def rakp3(self) -> bytes:
        """Table 13-13; makes the keys of the session (sections 13.31, 13.32)."""
        self.tag = (self.tag + 1) & 0xFF
        self.sik = self.signed(self.random + self.bmc_random + self.role)
        self.k1 = hmac.digest(self.sik, b"\x01" * 20, self.suite.hash)
        self.aes = hmac.digest(self.sik, b"\x02" * 20, self.suite.hash)[:16]
        proof = self.signed(self.bmc_random + self.session + self.role)
        return _plain(_RAKP3, bytes((self.tag, 0, 0, 0)) + self.bmc_session + proof)

    def proves_keys(self, code: bytes) -> bool:
        """Whether RAKP 4 comes from a BMC that made the same keys."""
        expected = hmac.digest(self.sik, self.random + self.bmc_session + self.guid, self.suite.hash)
        return hmac.compare_digest(code, expected[: self.suite.code])

    def sealed(self, message: bytes) -> bytes:
        """An IPMI message within the session, under the next sequence number."""
        self.sequence += 1
        iv = os.urandom(16)
        body = iv + Cipher(algorithms.AES(self.aes), modes.CBC(iv)).encryptor().update(message)
        pad = -(len(body) + 2) % 4
        covered = struct.pack("<BB4sIH", 6, _SEALED, self.bmc_session, self.sequence, len(body)) + body
        covered += b"\xff" * pad + bytes((pad, 7))
        return _RMCP + covered + hmac.digest(self.k1, covered, self.suite.hash)[: self.suite.code]

    def unsealed(self, packet: bytes) -> bytes | None:
        """The message in a packet of this session that was not seen before; None: it is no such packet."""
        size = self.suite.code
        code = hmac.digest(self.k1, packet[4:-size], self.suite.hash)[:size]
        session, sequence, length = struct.unpack_from("<4sIH", packet, 6)
        if not hmac.compare_digest(packet[-size:], code) or session != self.session or sequence <= self.heard:
            return None
        body = packet[16 : 16 + length]
        if len(packet) < 18 + length + size or length < 32 or length % 16:
            return None
        self.heard = sequence
        text = Cipher(algorithms.AES(self.aes), modes.CBC(body[:16])).decryptor().update(body[16:])
        return text[: -1 - text[-1]]


class IPMISweep:
    """Asks BMCs for power from callbacks of an event loop that the caller runs; nothing here blocks.

    `tick` is to be called a few times a second while anything is `under_way`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answered: Answered,
        *,
        at_once: int = 512,
        silent: int = 4096,
        packets: float = 50_000,
        waits: Sequence[float] = WAITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`at_once` BMCs that may still answer promptly, `silent` ones that did not; `packets` per second."""
        self._loop = loop
        self._answered = answered
        self._at_once, self._silent, self._packets = at_once, silent, packets
        self._waits = waits
        self._clock = clock
        self._sockets: dict[int, socket.socket] = {}
        self._peers: dict[BMCAddress, tuple[int, Peer]] = {}
        self._talks: dict[Peer, _Talk] = {}
        # All waits of one kind are equally long, so each of these is in the order of time.
        self._due: list[deque[tuple[float, _Talk, int]]] = [deque() for _ in waits]
        self._active = self._slow = 0
        self._resolving: set[asyncio.Task[None]] = set()
        self._credit, self._credited = 0.0, clock()

    @property
    def under_way(self) -> int:
        """How many questions are open."""
        return self._active + len(self._resolving)

    def room(self) -> bool:
        """Whether one more may be asked now."""
        now = self._clock()
        gained = (now - self._credited) * self._packets
        self._credit = min(self._credit + gained, self._packets * 0.1)
        self._credited = now
        crowded = self._active - self._slow + len(self._resolving) >= self._at_once
        return self._credit >= 0 and not crowded and self._slow < self._silent

    def ask(self, endpoint: Endpoint) -> None:
        """Begin a question; the answer comes through `answered`."""
        found = self._peers.get(endpoint.address) or self._literal(endpoint.address)
        if found is not None:
            self._begin(endpoint, *found)
        else:
            task = self._loop.create_task(self._resolve(endpoint))
            self._resolving.add(task)
            task.add_done_callback(self._resolving.discard)

    def _literal(self, address: BMCAddress) -> tuple[int, Peer] | None:
        """None: its host is a name, and looking that up takes time."""
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        try:
            found = socket.getaddrinfo(address.host, address.port or 623, type=socket.SOCK_DGRAM, flags=flags)
        except socket.gaierror:
            return None
        return self._known(address, found)

    async def _resolve(self, endpoint: Endpoint) -> None:
        address = endpoint.address
        try:
            with translated(endpoint, "log in"):
                found = await self._loop.getaddrinfo(
                    address.host, address.port or 623, type=socket.SOCK_DGRAM
                )
        except BMCError as error:
            self._answered(endpoint, error)
        else:
            self._begin(endpoint, *self._known(address, found))

    def _known(self, address: BMCAddress, found: Sequence[tuple[Any, ...]]) -> tuple[int, Peer]:
        family, _, _, _, peer = found[0]
        self._peers[address] = (family, peer)
        return family, peer

    def forget(self, address: BMCAddress) -> Sequence[asyncio.Task[None]]:
        """End the session with a BMC, and forget that it refused a password and where its name led to."""
        _, peer = self._peers.pop(address, (0, None))
        talk = self._talks.get(peer) if peer else None
        if talk is None:
            return ()
        talk.denied = None
        if talk.expects is None:
            self._hang_up(talk)  # and stays known as one that was met: see `_hello`
        else:
            talk.forgotten = True
        return ()

    def stop(self) -> None:
        """Give up what is under way, without an answer; sessions stay."""
        for task in self._resolving:
            task.cancel()
        for talk in [talk for talk in self._talks.values() if talk.expects is not None]:
            talk.followers.clear()
            self._end(talk)

    def close(self) -> None:
        """Log out everywhere (one packet each, no wait)."""
        self.stop()
        for talk in self._talks.values():
            self._hang_up(talk)
        for sock in self._sockets.values():
            self._loop.remove_reader(sock)
            sock.close()
        self._talks.clear()
        self._sockets.clear()

    def tick(self) -> None:
        """Send again what was not answered in time, or give up."""
        for sock in self._sockets.values():
            self._receive(sock)  # whoever waited here too long is not to be blamed for it
        now = self._clock()
        for due in self._due:
            while due and due[0][0] <= now:
                _, talk, turn = due.popleft()
                if talk.turn == turn:
                    self._quiet(talk)

    # --- one question

    def _begin(self, endpoint: Endpoint, family: int, peer: Peer) -> None:
        talk = self._talks.get(peer)
        if talk is None:
            talk = _Talk(self._socket(family), peer, endpoint, endpoint.credentials)
            self._talks[peer] = talk
        if talk.expects is not None:
            talk.followers.append(endpoint)
            return
        self._active += 1
        talk.endpoint = endpoint
        talk.handshakes = 0
        talk.fresh = talk.answers_strangers = False
        now = self._clock()
        same = endpoint.credentials == talk.credentials
        if talk.denied and same and now - talk.denied[1] < DENIED_FOR:
            self._finish(talk, talk.denied[0])
        elif talk.logged_in and same and now - talk.used < IDLE_LIMIT:
            self._ask_status(talk)
        else:
            self._log_in(talk)

    def _log_in(self, talk: _Talk) -> None:
        self._hang_up(talk)
        talk.credentials, talk.denied = talk.endpoint.credentials, None
        talk.fresh = True
        if talk.credentials == ANONYMOUS:
            address = talk.endpoint.address
            error = AccessDenied.at(address, "log in", "no user name was given", "name its credentials")
            self._finish(talk, error)
        elif len(talk.name) > 16:
            self._refuse(talk, rmcp_codes[0x0C])
        else:
            self._open(talk)

    def _open(self, talk: _Talk) -> None:
        """Begin a handshake; with a question for strangers if there was one before (see `_hello`)."""
        talk.packet, talk.sends = talk.open_request(), 0
        if talk.met:
            self._hello(talk)
        else:
            self._request_session(talk)

    def _request_session(self, talk: _Talk) -> None:
        talk.met = True
        self._transmit(talk, talk.packet, _OPENED)

    def _hello(self, talk: _Talk) -> None:
        """Tells a BMC that speaks IPMI 1.5 only, or is short of sessions, from one that is not there.

        It also makes virtualbmc 3.3.0 let go of the session that it had with our port. Nothing may follow
        before the answer: two packets at once end its process (pyghmi 1.6.19, `sessionless_data`).
        """
        self._transmit(talk, GET_CHANNEL_AUTH, _HELLO)

    def _ask_status(self, talk: _Talk) -> None:
        talk.number = (talk.number + 1) & 0x3F
        self._send(talk, talk.sealed(_STATUS[talk.number]), _SEALED)

    def _send(self, talk: _Talk, packet: bytes, expects: int) -> None:
        talk.sends = 0
        self._transmit(talk, packet, expects)

    def _transmit(self, talk: _Talk, packet: bytes, expects: int) -> None:
        # A message of a handshake that is begun again is given more time.
        patience = talk.sends + (talk.handshakes if expects in (_RAKP2, _RAKP4) else 0)
        wait = min(patience, len(self._waits) - 1)
        talk.expects = expects
        talk.turn += 1
        talk.sends += 1
        self._due[wait].append((self._clock() + self._waits[wait], talk, talk.turn))
        try:
            self._put(talk, packet)
        except OSError as error:
            self._fail(talk, error)

    def _put(self, talk: _Talk, packet: bytes) -> None:
        self._credit -= 1
        try:
            talk.sock.sendto(packet, talk.peer)
        except BlockingIOError:
            return  # as if it were lost on the way
        except OSError:
            # It may be what came back for an earlier packet, to whomever (IP_RECVERR).
            if not self._returned(talk.sock):
                raise
            with contextlib.suppress(BlockingIOError):
                talk.sock.sendto(packet, talk.peer)

    def _quiet(self, talk: _Talk) -> None:
        """No answer in time."""
        if not talk.slow:
            talk.slow = True
            self._slow += 1
        if talk.expects in (_RAKP2, _RAKP4):
            self._handshake_lost(talk)
        elif talk.sends < len(self._waits):
            self._again(talk)
        elif talk.expects == _SEALED and not talk.fresh:
            self._log_in(talk)  # it was reset, or has dropped the session
        else:
            self._silent_for(talk, sum(self._waits))

    def _handshake_lost(self, talk: _Talk) -> None:
        # BMCs do not take kindly to a RAKP message sent twice: a lost one means to begin again, once.
        if talk.expects == _RAKP4:
            # Where it was RAKP 4 that was lost, there is a session now.
            talk.logged_in, talk.used, talk.sequence = True, self._clock(), 0
            self._hang_up(talk)
        talk.handshakes += 1
        if talk.handshakes > 1:
            self._silent_for(talk, sum(self._waits[:2]))
        else:
            self._open(talk)

    def _again(self, talk: _Talk) -> None:
        if talk.expects == _OPENED:
            self._hello(talk)
        elif talk.expects == _HELLO:
            self._request_session(talk)
        else:
            # The same question under a new sequence number: one that was seen is dropped (section 6.12.13).
            self._transmit(talk, talk.sealed(_STATUS[talk.number]), _SEALED)

    # --- what comes in

    def _socket(self, family: int) -> socket.socket:
        if family not in self._sockets:
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            level, option = _RECVERR[socket.AddressFamily(family)]
            sock.setsockopt(level, option, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._loop.add_reader(sock, self._receive, sock)
            self._sockets[family] = sock
        return self._sockets[family]

    def _receive(self, sock: socket.socket) -> None:
        for _ in range(1024):  # then others get their turn
            try:
                packet, source = sock.recvfrom(1024)
            except BlockingIOError:
                return
            except OSError:
                self._returned(sock)
                continue
            talk = self._talks.get(source)
            if talk is not None and talk.expects is not None and len(packet) > 16:
                self._read(talk, packet)

    def _returned(self, sock: socket.socket) -> bool:
        """Fail those whose packets came back (ICMP); False: there were none."""
        some = False
        with contextlib.suppress(BlockingIOError):
            while True:
                _, control, _, peer = sock.recvmsg(64, 256, socket.MSG_ERRQUEUE)
                some = True
                number = struct.unpack_from("=I", control[0][2])[0] if control else 0
                talk = self._talks.get(peer)
                if talk is not None and talk.expects is not None and number:
                    self._fail(talk, OSError(number, os.strerror(number)))
        return some

    def _read(self, talk: _Talk, packet: bytes) -> None:
        kind = packet[5]
        if packet[0] != 6 or packet[2:4] != b"\xff\x07":
            return
        if packet[4] == 0:
            self._read_stranger(talk, packet)
        elif packet[4] == 6 and kind == talk.expects:
            if kind == _SEALED:
                self._read_status(talk, packet)
            else:
                self._read_handshake(talk, kind, packet[16 : 16 + packet[14] + (packet[15] << 8)])

    def _read_stranger(self, talk: _Talk, packet: bytes) -> None:
        answer = read_answer(packet) if talk.expects == _HELLO else None
        if answer is None:
            return
        talk.answers_strangers = True
        if answer.version == "1.5":
            self._refuse(talk, "it speaks IPMI 1.5 only")
        else:
            self._request_session(talk)

    def _read_handshake(self, talk: _Talk, kind: int, data: bytes) -> None:
        # Message tag, status, 2 bytes, our session id; short when refused (tables 13-10, 13-12, 13-14).
        if len(data) < 2 or data[0] != talk.tag or (len(data) >= 8 and data[4:8] != talk.session):
            return
        if data[1]:
            self._refused(talk, kind, data[1])
        elif kind == _OPENED and len(data) >= 36:
            self._opened(talk, data)
        elif kind == _RAKP2 and len(data) >= 40:
            self._rakp2(talk, data)
        elif kind == _RAKP4 and len(data) >= 8:
            self._rakp4(talk, data)

    def _refused(self, talk: _Talk, kind: int, status: int) -> None:
        if kind == _OPENED and talk.suite is _SUITE_17 and status != 1:
            talk.suite = _SUITE_3  # what BMCs without SHA-256 have
            talk.packet = talk.open_request()
            self._send(talk, talk.packet, _OPENED)
        elif kind != _OPENED and status in _LOST_SESSION and not talk.handshakes:
            talk.handshakes += 1
            self._open(talk)
        else:
            where = {_OPENED: "", _RAKP2: " in RAKP2", _RAKP4: " reported in RAKP4"}[kind]
            self._refuse(talk, rmcp_codes.get(status, f"Unrecognized RMCP code {status}") + where)

    def _opened(self, talk: _Talk, data: bytes) -> None:
        # The BMC may choose other algorithms than the proposed ones: virtualbmc 3.3.0 always takes suite 3.
        suite = _SUITES.get((data[16], data[24]))
        if suite is None or data[32] != 1:
            text = f"it chose authentication {data[16]} and integrity {data[24]}, which we do not speak"
            self._refuse(talk, text)
            return
        talk.suite, talk.bmc_session = suite, data[8:12]
        self._send(talk, talk.rakp1(), _RAKP2)

    def _rakp2(self, talk: _Talk, data: bytes) -> None:
        talk.bmc_random, talk.guid = data[8:24], data[24:40]
        if talk.proves_password(data[40:]):
            self._send(talk, talk.rakp3(), _RAKP4)
        else:
            self._refuse(talk, "Incorrect password provided")

    def _rakp4(self, talk: _Talk, data: bytes) -> None:
        if not talk.proves_keys(data[8:]):
            self._refuse(talk, "Invalid RAKP4 integrity code (wrong Kg?)")
            return
        talk.logged_in = True
        talk.sequence = talk.heard = 0
        talk.number = random.randrange(64)  # noqa: S311 - tells packets apart, guards nothing
        talk.used = self._clock()
        self._ask_status(talk)

    def _read_status(self, talk: _Talk, packet: bytes) -> None:
        message = talk.unsealed(packet) if len(packet) >= 60 else None
        # Address, network function 1, checksum; address, number, command, completion code, data, checksum.
        if message is None or len(message) < 8 or sum(message[:3]) & 0xFF or sum(message[3:]) & 0xFF:
            return
        if message[1] >> 2 != _CHASSIS + 1 or message[4] >> 2 != talk.number or message[5] != _GET_STATUS:
            return
        talk.used = self._clock()
        self._finish(talk, _power(talk.endpoint.address, message[6], message[7:-1]))

    # --- how it ends

    def _fail(self, talk: _Talk, reason: LoginError | SilenceError | OSError) -> None:
        error = _worded(talk, reason)
        if isinstance(reason, LoginError) and isinstance(error, AccessDenied):
            talk.denied = (error, self._clock())
        self._hang_up(talk)
        if not isinstance(reason, LoginError):
            self._peers.pop(talk.endpoint.address, None)  # its name may lead elsewhere by now
        self._finish(talk, error)

    def _refuse(self, talk: _Talk, words: str) -> None:
        self._fail(talk, LoginError(words))

    def _silent_for(self, talk: _Talk, seconds: float) -> None:
        stage = _STAGES.get(talk.expects, "ESTABLISHED")
        if talk.expects in (_OPENED, _HELLO) and not talk.answers_strangers:
            stage = "None"
        self._fail(talk, SilenceError(stage, seconds))

    def _finish(self, talk: _Talk, answer: PowerState | BMCError) -> None:
        self._end(talk)
        self._answered(talk.endpoint, answer)
        if talk.followers and talk.expects is None:
            self._begin(talk.followers.popleft(), talk.sock.family, talk.peer)

    def _end(self, talk: _Talk) -> None:
        talk.expects = None
        talk.turn += 1
        self._active -= 1
        if talk.slow:
            talk.slow = False
            self._slow -= 1
        if talk.forgotten:
            talk.forgotten, talk.denied = False, None
            self._hang_up(talk)

    def _hang_up(self, talk: _Talk) -> None:
        """Close Session (section 22.19), without waiting for the answer."""
        if talk.logged_in:
            talk.logged_in = False
            if self._clock() - talk.used < GONE:
                message = _message(_APP, _CLOSE_SESSION, talk.bmc_session, talk.number ^ 1)
                with contextlib.suppress(OSError):
                    self._put(talk, talk.sealed(message))


def _worded(talk: _Talk, reason: LoginError | SilenceError | OSError) -> BMCError:
    """The driver's error for the same reason."""
    try:
        with translated(talk.endpoint, "read the power state" if talk.expects == _SEALED else "log in"):
            raise reason
    except BMCError as error:
        return error.with_traceback(None)


def _power(address: BMCAddress, code: int, data: bytes) -> PowerState | BMCError:
    """What Get Chassis Status tells (table 28-3): bit 0 of the first byte is power."""
    action = "read the power state"
    if code:
        return refused(address, action, code)
    if not data:
        return ProtocolError.at(address, action, "an empty answer", "report the model")
    return PowerState.ON if data[0] & 1 else PowerState.OFF
