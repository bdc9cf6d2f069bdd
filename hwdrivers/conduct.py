"""How one BMC behaves: what it bears, how it fails, which log-ins it refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint
from hwdrivers.breaker import Breaker
from hwdrivers.conduct_view import breaker_view, clock_time, day_time, latency_view, stamp
from hwdrivers.errors import (
    BMCError,
    BMCTimeout,
    Busy,
    InvalidParameterValue,
    LeftAlone,
    LogInRefused,
    Unreachable,
)
from hwdrivers.latency import Latency
from hwdrivers.rate import START, Rate
from hwdrivers.refusals import MOST, Refusal, Refusals, until

Document = dict[str, Any]

_WORTH_KEEPING = 64  # answers; a seed that is killed forgets fewer
LONGEST_WAIT = 15.0  # seconds that a caller sleeps for its turn
_SIGNS = (Unreachable, BMCTimeout, Busy)  # of a BMC that is better left alone


@dataclass(frozen=True)
class Time:
    """`now` in seconds for what passes, `today` in seconds since 1970 for what is told and kept."""

    now: Callable[[], float] = time.monotonic
    today: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class Crowded(Busy):
    """Too many want to ask this BMC at the same time; it has nothing to do with it."""


class Conduct:
    """One BMC as it was found; satisfies `hwdrivers.pace.Pace`. Any thread may use it.

    All of a governor share one lock: what is done under it takes microseconds.
    """

    __slots__ = (
        *("_kept", "_lock", "_notable", "_time", "address"),
        *("answers", "breaker", "failures", "latency", "kin", "rate", "refusals", "taken"),
    )

    def __init__(
        self, address: BMCAddress, lock: threading.Condition, clock: Time, kin: list[Conduct] | None = None
    ) -> None:
        """`kin`: all ways into the same BMC, to which this one is added; they share the BMC's accounts."""
        self.address = address
        self.kin = [] if kin is None else kin
        self.kin.append(self)
        self._lock = lock
        self._time = clock
        self.answers = 0
        self.failures: dict[str, int] | None = None  # by kind; None spares memory
        self.breaker = Breaker()
        self.rate = Rate()
        self.latency: Latency | None = None
        self.refusals = Refusals()
        self.taken = False  # somebody opens or closes a conversation, or the sweep asks
        self._kept = 0  # answers that were counted when all this was last kept
        self._notable = False  # what happened since then should not wait long

    # -- Pace: one request ---------------------------------------------------------------------------

    def wait(self) -> None:
        """Sleep until it is this request's turn; raises `LeftAlone`, or `Crowded` instead of a long sleep."""
        with self._lock:
            now = self._time.now()
            if not self.breaker.stays(now):
                raise self._left_alone(now)
            seconds = self.rate.reserve(now, LONGEST_WAIT)
            speed = self.rate.per_second
        if seconds is None:
            seen = f"so many want to ask it that the next turn is in over {LONGEST_WAIT:.0f} s"
            advice = f"try again; it bears {speed:.1f} requests a second now"
            raise Crowded.at(self.address, "ask it", seen, advice)
        if seconds > 0:
            self._time.sleep(seconds)

    def answered(self, seconds: float) -> None:
        with self._lock:
            self.latency = self.latency or Latency()
            self.latency.add(seconds)
            self.rate.answered()
            self.breaker.request_answered()
            self._count()

    def overloaded(self, seconds: float, seen: str) -> None:
        with self._lock:
            now = self._time.now()
            self.rate.overloaded(now)
            self.breaker.request_failed(self._words(seen), now)
            self._notable = True

    # -- one call, of a driver or of the sweep ---------------------------------------------------------

    def enter(self) -> None:
        """Raises `LeftAlone` while nobody is to ask it."""
        with self._lock:
            now = self._time.now()
            if not self.breaker.enter(now):
                raise self._left_alone(now)

    @contextmanager
    def call(self) -> Iterator[None]:
        """Around one call; raises `LeftAlone` instead of letting it begin."""
        self.enter()
        answers = self.answers
        try:
            yield
        except BMCError as error:
            self.failed(error)
            raise
        except BaseException:
            self.leave()
            raise
        self.went_well(counted=self.answers != answers)

    def leave(self) -> None:
        """Nothing was learnt of it: somebody was not listening any more, or has a bug."""
        with self._lock:
            self.breaker.leave()

    def went_well(self, *, counted: bool = False) -> None:
        """`counted`: its driver obeys a pace, and has told of each answer."""
        with self._lock:
            self.breaker.call_answered()
            if not counted:
                self._count()

    def failed(self, error: BMCError) -> None:
        """A call did, which is not always for the BMC's sake."""
        if isinstance(error, LeftAlone | Crowded):
            return
        if isinstance(error, InvalidParameterValue):
            self.went_well(counted=True)
            return
        with self._lock:
            self._notable = True
            self.failures = self.failures or {}
            kind = type(error).__name__
            self.failures[kind] = self.failures.get(kind, 0) + 1
            if isinstance(error, _SIGNS):
                self.breaker.call_failed(self._words(str(error)), self._time.now())
            else:
                self.breaker.call_answered()

    def _count(self) -> None:
        self.answers += 1

    def _left_alone(self, now: float) -> LeftAlone:
        breaker = self.breaker
        row = f"{breaker.row} failures in a row since {self._at(breaker.since, now)}"
        seen = f"it is left alone after {row}, the last: {breaker.why}"
        when = max(breaker.until or now, now)
        again = f"asked again at {self._at(when, now)}" if when > now else "one caller is trying it now"
        advice = f"{again}; look at its power and network cable. {self._reset}"
        return LeftAlone.at(self.address, "ask it", seen, advice)

    def _words(self, seen: str) -> str:
        """Without the address, which stands in front of ours already."""
        return seen.removeprefix(f"{self.address}: ")

    @property
    def _reset(self) -> str:
        return f"`undercloud bmc reset {self.address}` has it asked at once"

    def _at(self, then: float, now: float) -> str:
        return clock_time(self._time.today() - now + then)

    # -- log-ins -------------------------------------------------------------------------------------

    def check_login(self, endpoint: Endpoint) -> None:
        """Raises `LogInRefused` for one that was refused, or while no further one should be tried."""
        if not any(way.refusals for way in self.kin):
            return
        address, today = endpoint.address, self._time.today()
        was = self.refusals.of(endpoint.credentials)
        if was is not None:
            seen = f"it refused this log-in at {day_time(was.at)}, and it is not sent again"
            advice = f"give other credentials. If the BMC was changed instead, {self._reset}"
            raise LogInRefused.at(address, "log in", seen, advice)
        pause = until([way.refusals for way in self.kin], today)
        if pause is not None and pause > today:
            seen = f"it refused {MOST} different log-ins lately, and one more may lock the account"
            advice = (
                f"a further one is tried from {day_time(pause)} on. If you know it to be right, {self._reset}"
            )
            raise LogInRefused.at(address, "log in", seen, advice)

    def login_refused(self, endpoint: Endpoint) -> None:
        with self._lock:
            self.refusals.refused(endpoint.credentials, self._time.today())
            self._notable = True

    def login_accepted(self) -> None:
        with self._lock:
            if any(way.refusals for way in self.kin):
                self.refusals.accepted(self._time.today())
                self._notable = True

    def forget(self) -> None:
        """Refused log-ins, and that it is left alone."""
        with self._lock:
            self.breaker = Breaker()
            for way in self.kin:
                way.refusals = Refusals()
                way._notable = True

    # -- to keep and to show -------------------------------------------------------------------------

    def document(self) -> Document:
        """What is worth knowing after a restart, as JSON."""
        with self._lock:
            return {
                "rate": round(self.rate.per_second, 2),
                "answers": self.answers,
                "failures": self.failures or {},
                "latency": self.latency.document() if self.latency else [],
                "refused": [list(refusal) for refusal in self.refusals],
            }

    def is_news(self, *, at_the_end: bool) -> bool:
        """Whether there is something to be kept, however little at the end."""
        new = self.answers - self._kept
        return self._notable or new >= _WORTH_KEEPING or (new > 0 and (at_the_end or not self._kept))

    def kept(self) -> None:
        """What `document` wrote is kept."""
        self._kept, self._notable = self.answers, False

    def not_kept(self) -> None:
        """It failed: once more."""
        self._notable = True

    def learn(self, document: Document) -> None:
        """Take what `document` wrote."""
        self.rate = Rate(document.get("rate", START))
        self.answers = self._kept = document.get("answers", 0)
        self.failures = document.get("failures") or None
        self.latency = Latency.of(document["latency"]) if document.get("latency") else None
        self.refusals = Refusals(Refusal(*refusal) for refusal in document.get("refused", ()))

    def view(self) -> Document:
        """For people: how it is now."""
        with self._lock:
            now = self._time.now()
            return {
                "rate": round(self.rate.per_second, 2),
                "answers": self.answers,
                "failures": dict(self.failures or {}),
                "breaker": breaker_view(self.breaker, now, self._time.today() - now),
                "refused_logins": [stamp(refusal.at) for refusal in self.refusals],
                "latency": latency_view(self.latency),
            }
