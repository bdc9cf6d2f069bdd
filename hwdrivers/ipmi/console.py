"""Serial over LAN (IPMI 2.0 section 15), on a session of its own.

pyghmi's Console makes a session of its own on pyghmi's shared sockets and thread, which
`hwdrivers.ipmi.session` is there to avoid.
"""

from __future__ import annotations

import threading
import time

from hwdrivers.errors import BMCError, Busy, ProtocolError, Unsupported
from hwdrivers.interfaces import ConsoleStream
from hwdrivers.ipmi.errors import refused, translated
from hwdrivers.ipmi.kept_session import KeptSession
from hwdrivers.ipmi.session import Session, SilenceError

_APP = 0x06  # network function
_ACTIVATE, _DEACTIVATE, _INSTANCE = 0x48, 0x49, 0x4B
_SOL = (1, 1)  # payload type 1, instance 1
_OPEN = "open its console"
# Encrypted and authenticated; the other bits leave the serial port's alerts and handshake as they are.
_FLAGS = (0xC0, 0, 0, 0)
# Completion codes of Activate Payload (section 24.1).
_REFUSALS: dict[int, tuple[type[BMCError], str, str]] = {
    0x80: (Busy, "somebody else has it open", "close it there, or wait a minute until that session ends"),
    0x81: (Unsupported, "Serial over LAN is switched off", "switch it on in the BMC's settings"),
    0x82: (Busy, "as many consoles are open as it can have", "close one of them"),
    0x83: (Unsupported, "it does not encrypt consoles", "switch encryption on in the BMC's settings"),
    0x84: (Unsupported, "it wants the console not to be encrypted", "switch encryption on in its settings"),
}
# Status bits that a BMC sends (section 15.9, table 15-2).
_NACK, _UNAVAILABLE, _DEACTIVATED = 0x40, 0x20, 0x10
_RETRY = 1.0  # seconds; the BMC's own default is shorter, and a busy one needs longer
_TRIES = 6
_KEEP_ALIVE = 25.0  # seconds: a BMC ends a session that was silent for 60, and SOL packets may not count
_PAUSE = 0.05  # seconds, longer each time the BMC takes nothing of what is typed
_SLICE = 0.05  # seconds in which a writer looks whether the reader took its acknowledgement in
_MOST = 200  # bytes in one packet, whatever the BMC promises


class Console:
    """`hwdrivers.interfaces.Console` over IPMI. What is left open ends when its session does, after 60 s."""

    def __init__(self, bmc: KeptSession, keep_alive: float = _KEEP_ALIVE) -> None:
        self._bmc = bmc
        self._keep_alive = keep_alive

    def open(self) -> ConsoleStream:
        session = self._bmc.log_in()
        try:
            size = self._activate(session)
        except BaseException:
            session.hang_up()
            raise
        return Stream(self._bmc, session, size, self._keep_alive)

    def _activate(self, session: Session) -> int:
        """How many bytes one packet to the BMC may hold."""
        with self._bmc.paced(), translated(self._bmc.endpoint, _OPEN):
            answer = session.command(_APP, _ACTIVATE, (*_SOL, *_FLAGS))
        code, data = answer["code"], bytes(answer["data"])
        if code in _REFUSALS:
            kind, seen, advice = _REFUSALS[code]
            raise kind.at(self._bmc.address, _OPEN, seen, advice)
        if code != 0:
            raise refused(self._bmc.address, _OPEN, code)
        if len(data) < 8:
            raise ProtocolError.at(self._bmc.address, _OPEN, "its answer is too short", "report the model")
        # The UDP port that follows is not looked at: behind a translated address it is the wrong one, and
        # no BMC was seen that does not answer where it is asked. The size counts the SOL header's four bytes.
        return max(1, min(int.from_bytes(data[4:6], "little") - 4, _MOST))


class Stream:
    """`hwdrivers.interfaces.ConsoleStream`: one reader, and another thread may write and close."""

    def __init__(self, bmc: KeptSession, session: Session, size: int, keep_alive: float) -> None:
        self._bmc = bmc
        self._silent_for = keep_alive
        self._session = session
        self._size = size
        self._lock = threading.RLock()  # around all that touches the session but waiting
        self._writing = threading.Lock()
        self._heard = bytearray()
        self._last = (0, 0)  # number and length of what came last
        self._sent = 0  # number of the packet that we wait for the acknowledgement of
        self._taken: int | None = None  # how many of its bytes the BMC took
        self._end: BMCError | None = None
        self._spoke = time.monotonic()
        session.carry_console(self._received)

    def read(self, timeout: float) -> bytes:
        until = time.monotonic() + timeout
        while True:
            with self._lock:
                if self._heard:
                    heard = bytes(self._heard)
                    self._heard.clear()
                    return heard
                self._check()
                self._keep_alive()
            left = min(until, self._spoke + self._silent_for) - time.monotonic()
            if not self._wait(left) and time.monotonic() >= until:
                return b""

    def write(self, data: bytes) -> None:
        with self._writing:
            refused = 0
            while data and refused < _TRIES:
                taken = self._write(data[: self._size])
                data = data[taken:]
                refused = 0 if taken else refused + 1
                self._listen(_PAUSE * refused)
        if data:
            seen, advice = f"it did not take what was typed, {_TRIES} times", "type it again"
            raise Busy.at(self._bmc.address, "type on its console", seen, advice)

    def close(self) -> None:
        with self._lock:
            if self._end is None:
                self._end = BMCError.at(
                    self._bmc.address, "read its console", "it was closed here", "open it again"
                )
                self._deactivate()
            self._session.hang_up()  # says goodbye too, and wakes a reader up

    def _deactivate(self) -> None:
        """Wait until the BMC has it free for the next one; the end of a session alone may free it late."""
        try:
            with translated(self._bmc.endpoint, "close its console"):
                self._session.command(_APP, _DEACTIVATE, (*_SOL, 0, 0, 0, 0))
        except BMCError:
            return

    def _write(self, chunk: bytes) -> int:
        """Send until it is acknowledged; how many bytes the BMC took (section 15.11)."""
        with self._lock:
            self._sent = self._sent % 15 + 1
            self._taken = None
        for _ in range(_TRIES):
            with self._lock:
                self._check()
                self._send(bytes([self._sent, 0, 0, 0]) + chunk)
            self._listen(_RETRY, acknowledged=True)
            if self._taken is not None:
                return self._taken
        raise self._ended(f"it did not acknowledge what was typed, {_TRIES} times")

    def _listen(self, seconds: float, *, acknowledged: bool = False) -> None:
        """Take in what comes for so long, or until what was sent is `acknowledged`."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with self._lock:
                if acknowledged and self._taken is not None:
                    return
                self._check()
            self._wait(_SLICE)

    def _wait(self, seconds: float) -> bool:
        """Wait outside of the lock, take in what came inside of it."""
        try:
            if not self._session.wait(seconds):
                return False
            with self._lock:
                if self._end is None:
                    self._session.take()
        except (OSError, ValueError) as error:  # ValueError: closed by another thread meanwhile
            with self._lock:
                self._ended(str(error))
        return True

    def _received(self, packet: bytes) -> None:
        """A packet from the BMC: data to be acknowledged, an acknowledgement, or both (table 15-2)."""
        if len(packet) < 4:
            return
        number, acknowledged, taken, status = packet[0] & 0x0F, packet[1] & 0x0F, packet[2], packet[3]
        if number:
            self._take(number, bytes(packet[4:]))
        if acknowledged and acknowledged == self._sent:
            # Not available: the machine is off or resets. What is typed then is lost, as on a cable.
            lost = status & _NACK and status & _UNAVAILABLE
            self._taken = self._size if lost or not status & _NACK else taken
        if status & _DEACTIVATED:
            self._ended("the BMC closed it, or somebody else took it over")

    def _take(self, number: int, data: bytes) -> None:
        """A packet that is sent again may hold more than the first time."""
        new = data[self._last[1] :] if number == self._last[0] else data
        self._heard += new
        self._last = (number, len(data))
        self._send(bytes([0, number, min(len(data), 255), 0]))

    def _send(self, packet: bytes) -> None:
        try:
            self._session.send_console(packet)
        except OSError as error:
            self._ended(error.strerror or str(error))

    def _keep_alive(self) -> None:
        """Ask whether it is still ours (Get Payload Instance Info), which keeps the session alive."""
        if time.monotonic() - self._spoke < self._silent_for:
            return
        self._spoke = time.monotonic()
        try:
            with translated(self._bmc.endpoint, "keep its console open"):
                answer = self._session.command(_APP, _INSTANCE, _SOL)
        except (BMCError, SilenceError) as error:
            raise self._ended(str(error)) from None
        owner = int.from_bytes(bytes(answer["data"][:4]), "little")
        if answer["code"] == 0 and owner not in (self._session.sessionid, self._session.localsid):
            raise self._ended("somebody else took it over, or the BMC was reset")

    def _check(self) -> None:
        if self._end is not None:
            raise self._end.with_traceback(None)

    def _ended(self, seen: str) -> BMCError:
        if self._end is None:
            self._end = BMCError.at(
                self._bmc.address, "read its console", seen, "open it again", retryable=True
            )
        return self._end
