"""One session that is kept with one BMC: renewed when it was idle for too long, paced, ended once."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import AccessDenied, BMCError, BMCTimeout, Busy, ProtocolError, Unreachable
from hwdrivers.ipmi.errors import BUSY, NOT_NOW, refused, translated
from hwdrivers.ipmi.session import Session
from hwdrivers.pace import Pace

# A BMC ends an idle session after 60 s, give or take 3 (IPMI 2.0 section 6.12.15). Asking on a dead session
# costs six seconds of silence; logging in anew costs four packets.
_IDLE_LIMIT = 30.0


class KeptSession:
    """Logs in when it is made. Any thread may ask; questions queue up."""

    def __init__(
        self, endpoint: Endpoint, pace: Pace, clock: Callable[[], float], waits: Sequence[float]
    ) -> None:
        self._endpoint = endpoint
        self._pace = pace
        self._clock = clock
        self._waits = waits
        self._lock = threading.RLock()
        self._end: BMCError | None = None  # set once: closed, or not let in any more
        self._used = clock()
        self._session: Session | None = self.log_in()

    @property
    def address(self) -> BMCAddress:
        return self._endpoint.address

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    @property
    def channel(self) -> int:
        """The BMC's number of the LAN channel that we came in on."""
        with self._lock:
            return self._live().channel

    def ask(
        self, action: str, netfn: int, command: int, data: Sequence[int] = (), *, least: int = 0
    ) -> bytes:
        """The answer's data, at least `least` bytes. Raises `BMCError`, also for a completion code but 0."""
        code, answer = self.answer(action, netfn, command, data)
        if code != 0:
            raise refused(self.address, action, code)
        if len(answer) < least:
            raise ProtocolError.at(
                self.address, action, f"{len(answer)} of {least} bytes", "report the model"
            )
        return answer

    def answer(
        self, action: str, netfn: int, command: int, data: Sequence[int] = (), *, lun: int = 0
    ) -> tuple[int, bytes]:
        """The completion code and the data, for those who know what its codes mean.

        Raises `Busy` for "not now": what a BMC could not tell for once must not pass for absent.
        """
        with self._lock:
            try:
                code, answer = self._once(action, netfn, command, data, lun)
            except BMCTimeout:
                # It may have been reset or have dropped the session: a new one, once.
                self._hang_up()
                code, answer = self._once(action, netfn, command, data, lun)
        if code in NOT_NOW:
            raise refused(self.address, action, code)
        return code, answer

    def log_in(self, login: Credentials | None = None) -> Session:
        """A session more, for the caller to hang up: a console blocks the one that it runs on."""
        self._check()
        try:
            return self._opened(login or self._endpoint.credentials)
        except AccessDenied as denied:
            if login is None:
                self._end = denied  # the password was changed meanwhile: never try the old one again
            raise

    def _opened(self, login: Credentials) -> Session:
        if not login.username and not login.password:
            # Nothing is sent: a BMC may count it as a wrong password.
            seen, advice = "no user name was given", "IPMI tells strangers nothing: name the credentials"
            raise AccessDenied.at(self.address, "log in", seen, advice)
        with self.paced(), translated(self._endpoint, "log in"):
            return Session(
                self.address.host,
                self.address.port or 623,
                login.username,
                login.password.reveal(),
                waits=self._waits,
            )

    def password_changed(self, username: str, password: Secret) -> None:
        """Log in with this one from now on, if it is ours: the old one would count as wrong."""
        login = self._endpoint.credentials
        if username == login.username:
            login = dataclasses.replace(login, password=password)
            self._endpoint = dataclasses.replace(self._endpoint, credentials=login)

    def close(self) -> None:
        with self._lock:
            if self._end is None:
                self._end = BMCError.at(self.address, "go on", "the session was closed here", "connect again")
            self._hang_up()

    def _once(
        self, action: str, netfn: int, command: int, data: Sequence[int], lun: int
    ) -> tuple[int, bytes]:
        session = self._live()
        with self.paced() as busy, translated(self._endpoint, action):
            answer = session.command(netfn, command, data, lun)
            if answer["code"] in BUSY:
                busy.append(f"completion code {answer['code']:#04x}")
        self._used = self._clock()
        return int(answer["code"]), bytes(answer["data"])

    @contextlib.contextmanager
    def paced(self) -> Iterator[list[str]]:
        """Wait for our turn, then tell how it went; what is put into the list says that it is overloaded."""
        self._pace.wait()
        began = self._clock()
        busy: list[str] = []
        try:
            yield busy
        except (Busy, BMCTimeout, Unreachable) as error:
            busy.append(str(error))
            raise
        finally:
            seconds = self._clock() - began
            self._pace.overloaded(seconds, busy[0]) if busy else self._pace.answered(seconds)

    def _live(self) -> Session:
        """The session, logged in anew when there is none or it has been idle for too long."""
        self._check()
        if self._session is not None and self._clock() - self._used > _IDLE_LIMIT:
            self._hang_up()
        if self._session is None:
            self._session, self._used = self.log_in(), self._clock()
        return self._session

    def _check(self) -> None:
        if self._end is not None:
            raise self._end.with_traceback(None)

    def _hang_up(self) -> None:
        if self._session is not None:
            self._session.hang_up()
            self._session = None
