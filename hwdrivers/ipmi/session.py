"""One RMCP+ session with one BMC: pyghmi's protocol state machine on a socket and a clock of its own.

pyghmi shares one receiving thread, one set of sockets and class-wide tables between all its sessions, and
whichever thread happens to wait processes everybody's packets: the failure of one BMC is raised in the thread
that talks to another, a user name that a BMC does not answer is retried for ever, and a lost wake-up costs a
second. Here a session is driven by the thread that uses it and by nobody else. Private parts of pyghmi
are overridden for this (seen: 1.6.19), in this file only; tests/hwdrivers/test_ipmi.py talks to a real peer.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import select
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pyghmi.exceptions import PyghmiException
from pyghmi.ipmi.private import session as pyghmi_session

# Seconds to wait for an answer to the first, second and third sending of one packet. Real BMCs need a second
# when they are busy, and virtualbmc 3.3.0 answers a power off only when it is done, after two.
WAITS = (1.0, 2.0, 3.0)

_SOL = 1  # payload type, IPMI 2.0 table 13-16

# (authentication, integrity) in the RMCP+ Open Session Response (IPMI 2.0 tables 13-10, 13-17, 13-18)
# → pyghmi's name for it, hash, length of the truncated integrity code.
_ALGORITHMS = {(1, 1): (1, hashlib.sha1, 12), (3, 4): (256, hashlib.sha256, 16)}

# A damaged packet or record makes pyghmi's parsers trip over these; such a packet is dropped.
DAMAGED = (
    ArithmeticError,
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
    TypeError,
    ValueError,
    struct.error,
)


class SilenceError(Exception):
    """The BMC does not answer, after `seconds`; `context` says how far the log-in had come."""

    def __init__(self, context: str, seconds: float) -> None:
        super().__init__(context)
        self.context = context
        self.seconds = seconds


class LoginError(Exception):
    """The BMC, or our check of its answer, refused the log-in; the text is pyghmi's."""


class Session(pyghmi_session.Session):  # type: ignore[misc]
    """A logged-in session. Raises `LoginError`, `SilenceError` or OSError; never blocks for ever.

    Not for two threads at once: the caller holds a lock.
    """

    # The base class counts users per shared socket in here.
    socketpool: ClassVar[defaultdict[Any, int]] = defaultdict(int)

    def __new__(cls, *_args: object, **_kwargs: object) -> Session:
        # The base class would hand out an existing session with the same name and password.
        new: Session = object.__new__(cls)
        new.forbidsock = []
        return new

    def __init__(
        self, host: str, port: int, username: str, password: str, *, waits: Sequence[float] = WAITS
    ) -> None:
        self.allsockaddrs: list[object] = []
        self._peer = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._waits = waits
        self._tries = 0
        self._handshakes = 0
        self._outcome: dict[str, Any] | None = None
        try:
            super().__init__(host, username, password, port=port, onlogon=self._logged_on)
            self._drive(lambda: self._outcome is not None)
            self._check_outcome()
        except PyghmiException as error:
            self.abandon()
            raise LoginError(str(error)) from None
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Close the socket without a word to the BMC."""
        with pyghmi_session.KEEPALIVE_SESSIONS:
            pyghmi_session.Session.keepalive_sessions.pop(self, None)
        self.socketpool.clear()
        with contextlib.suppress(AttributeError):
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)  # wakes up a thread that waits for a packet
            self.socket.close()

    def hang_up(self) -> None:
        """Close the session on the BMC (one packet, no wait: IPMI 2.0 section 22.19), then the socket."""
        with contextlib.suppress(OSError, PyghmiException, *DAMAGED):
            self.logout(False)
        self.abandon()

    @property
    def channel(self) -> int:
        """The BMC's number of the LAN channel that we came in on."""
        return int(self.currentchannel) & 0x0F

    def command(self, netfn: int, command: int, data: Sequence[int] = (), lun: int = 0) -> dict[str, Any]:
        """Ask one thing. pyghmi's answer: {'code': int, 'data': bytearray} and 'error' when code is not 0."""
        try:
            answer: dict[str, Any] = self.raw_command(netfn=netfn, command=command, data=data, rslun=lun)
        except PyghmiException:  # "Session no longer connected"
            raise self._silence() from None
        return answer

    def carry_console(self, received: Callable[[bytes], None]) -> None:
        """Hand every SOL payload (IPMI 2.0 section 15.9) to `received` from now on."""
        self.sol_handler = received

    def send_console(self, payload: bytes) -> None:
        """Send one SOL payload; whether it came through is for the caller to see."""
        self.send_payload(bytearray(payload), payload_type=_SOL, retry=False)

    def wait(self, seconds: float) -> bool:
        """Whether a packet came in time; the only call that may run beside another thread's."""
        waiting = select.poll()  # not select(): a seed has more than 1,024 files open
        waiting.register(self.socket, select.POLLIN)
        return bool(waiting.poll(max(seconds, 0) * 1000))

    def take(self) -> None:
        """Take in one packet if there is one. Raises OSError."""
        with contextlib.suppress(BlockingIOError):
            self._accept(bytearray(self.socket.recv(3000, socket.MSG_DONTWAIT)))

    def _logged_on(self, outcome: dict[str, Any]) -> None:
        self._outcome = outcome

    def _check_outcome(self) -> None:
        if self._outcome is not None and "error" in self._outcome:
            raise LoginError(self._outcome["error"])

    def _silence(self) -> SilenceError:
        return SilenceError(str(self.sessioncontext), sum(self._waits))

    # --- Below: what pyghmi calls, in place of its shared receiver thread and its endless retries.

    def _assignsocket(self, server: object = None, forbiddensockets: object = ()) -> socket.socket:
        family, kind, proto, _, address = self._peer
        sock = socket.socket(family, kind, proto)
        # Connected: answers of strangers are dropped, and a closed port says so at once (ICMP) instead of
        # by seconds of silence.
        sock.connect(address)
        return sock

    def _xmit_packet(self, retry: bool = True, delay_xmit: object = None, timeout: object = None) -> None:
        if self.sequencenumber:  # 0 marks packets outside a session and stays
            self.sequencenumber += 1
        self.socket.send(self.netpacket)
        if retry:  # a console's packets in between must not put off the time to ask again
            self.expiration = time.monotonic() + self._waits[self._tries]

    def _drive(self, done: Callable[[], bool]) -> None:
        """Receive and resend until `done`, or raise."""
        # pyghmi sends Get Channel Authentication Capabilities anew whenever it is answered with 0xCC.
        end = time.monotonic() + 3 * sum(self._waits)
        while not done():
            now = time.monotonic()
            left = self.expiration - now
            if now > end:
                raise self._silence()
            if left <= 0:  # also in a flood of packets that are no answer
                self._timedout()
            elif self.wait(left):
                self.take()

    def _accept(self, packet: bytearray) -> None:
        # RMCP header: version 6, sequence 0xFF (no acknowledge), class 7 (IPMI); IPMI 2.0 section 13.1.3.
        if len(packet) < 16 or packet[0] != 6 or packet[2:4] != b"\xff\x07":
            return
        address = self._peer[4]
        with contextlib.suppress(*DAMAGED):
            self._handle_ipmi_packet(packet, sockaddr=address, qent=(packet, address, self.socket))

    def raw_command(self, *args: Any, **kwargs: Any) -> Any:
        self._tries = 0
        return super().raw_command(*args, **kwargs)

    def awaitresponse(self, retry: bool, netfn: int, command: int) -> None:
        if retry:
            self._drive(lambda: not pyghmi_session.unmatched(self.lastresponse, netfn, command))

    def _timedout(self) -> None:
        self._tries += 1
        if self._tries >= len(self._waits):
            raise self._silence()
        if self.sessioncontext == "OPENSESSION":
            self.lastpayload = None  # or the new request would be queued behind the lost one
            self._open_rmcpplus_request()
        elif str(self.sessioncontext).startswith("EXPECTINGRAKP"):
            self._restart_handshake()
        else:
            self.send_payload()

    def _restart_handshake(self) -> None:
        # BMCs do not take kindly to a RAKP message sent twice, so a lost one means to begin again: once.
        # virtualbmc is silent when it does not know the user, and more attempts would be guessing.
        self._handshakes += 1
        if self._handshakes > 1:
            raise self._silence()
        self._initsession()
        self._get_channel_auth_cap()

    def _initsession(self) -> None:
        super()._initsession()
        # pyghmi starts each handshake with the same id: a late answer to the one before would be taken for
        # ours, its hash would not match, and a right password would be called wrong.
        self.localsid = random.randrange(1, 0x7FFFFFFF)  # noqa: S311 - tells packets apart, guards nothing

    def _parse_ipmi_payload(self, payload: bytearray) -> Any:
        # pyghmi leaves out the message's two checksums (IPMI 2.0 section 13.8); outside of a session nothing
        # else tells a damaged answer from a good one.
        if not sum(payload[:3]) & 0xFF and not sum(payload[3:]) & 0xFF:
            return super()._parse_ipmi_payload(payload)
        return None

    def _cmdwait(self) -> None:
        """Nothing to wait for: the caller's lock lets one command through at a time."""

    def _got_rmcp_response(self, data: bytearray) -> Any:
        # pyghmi 1.6.19 goes on with the algorithms that it proposed (SHA-256) whatever the BMC chose.
        # virtualbmc 3.3.0 (pyghmi's own server) always answers cipher suite 3 (SHA-1): struct.error without
        # this. A BMC is allowed to choose so: IPMI 2.0 section 13.18.
        if len(data) >= 25 and data[0] == self.rmcptag and data[1] == 0:
            chosen = _ALGORITHMS.get((data[16], data[24]))
            if chosen is None:
                text = f"it chose authentication {data[16]} and integrity {data[24]}, which we do not speak"
                return self.onlogon({"error": text})
            self.attemptedhash, self.currhashlib, self.currhashlen = chosen
        return super()._got_rmcp_response(data)

    def _get_session_challenge(self) -> None:
        # pyghmi's IPMI 1.5 code does not run on Python 3 (bytes + str).
        self.onlogon({"error": "it speaks IPMI 1.5 only"})
