"""The power of many machines at once: IPMI and Redfish in one event loop, whatever else in a few threads."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

from hwdrivers.address import BMCAddress, Scheme
from hwdrivers.bmc import BMC, Endpoint, PowerState
from hwdrivers.connect import connect
from hwdrivers.errors import BMCError
from hwdrivers.ipmi.sweep import WAITS, IPMISweep
from hwdrivers.redfish.sweep import RedfishSweep

log = logging.getLogger(__name__)

Answer = tuple[Endpoint, PowerState | BMCError]

_TURN = 0.05  # seconds after which somebody looks whether to send again, or to end
_LEAVING = 5.0  # seconds for a log-out
_TOGETHER, _SOON = 32, 0.002  # answers that are handed on together, if they come within so many seconds
_AHEAD = 256  # endpoints that are taken while there is no room for their kind


class Sweeps(Protocol):
    """Asks many BMCs for power; what it keeps open between two sweeps is its own affair."""

    def power(
        self, endpoints: Iterable[Endpoint], *, ended: Callable[[], bool] = lambda: False
    ) -> Iterator[Answer]:
        """One answer for each endpoint, as they come; `endpoints` is read as there is room for more.

        Once `ended`, it stops: who has not answered by then gets no answer.
        """

    def forget(self, address: BMCAddress) -> None:
        """Drop what is kept for one BMC: its session, and that it refused a password. Any thread may call."""

    def close(self) -> None:
        """Log out everywhere; never raises."""


class Asking(Protocol):
    """One way to ask for power; answers come through a callback while the loop runs."""

    @property
    def under_way(self) -> int:
        """How many questions are open."""

    def room(self) -> bool:
        """Whether one more may be asked now."""

    def ask(self, endpoint: Endpoint) -> None: ...

    def tick(self) -> None:
        """Time has passed."""

    def forget(self, address: BMCAddress) -> Sequence[asyncio.Task[None]]:
        """What is still to be done by the loop until its session is closed."""

    def stop(self) -> None:
        """Give up what is under way, without an answer."""

    def close(self) -> None: ...


class Sweep:
    """Satisfies `Sweeps`. Sessions stay open between sweeps; the generator's caller drives the loop.

    One sweep at a time: a second caller waits for the first.
    """

    def __init__(
        self,
        connect: Callable[[Endpoint], BMC] = connect,
        *,
        waits: Sequence[float] = WAITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`connect` is for addresses without a scheme; `waits` and `clock` are for IPMI."""
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._answers: deque[Answer] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._to_forget: deque[tuple[BMCAddress, threading.Event]] = deque()
        self._leaving: set[asyncio.Task[None]] = set()
        self._ipmi = IPMISweep(self._loop, self._answered, waits=waits, clock=clock)
        self._redfish = RedfishSweep(self._loop, self._answered)
        self._others = ThroughConnect(self._loop, self._answered, connect)
        self._ways: tuple[Asking, ...] = (self._ipmi, self._redfish, self._others)

    def power(
        self, endpoints: Iterable[Endpoint], *, ended: Callable[[], bool] = lambda: False
    ) -> Iterator[Answer]:
        with self._lock:
            try:
                yield from self._sweep(iter(endpoints), ended)
            finally:
                for way in self._ways:
                    way.stop()
                self._answers.clear()
                self._leave()

    def forget(self, address: BMCAddress) -> None:
        """Returns when its session is closed, or after a few seconds: who comes next may log in there."""
        left = threading.Event()
        self._to_forget.append((address, left))
        for _ in range(round(_LEAVING / _TURN)):
            if self._lock.acquire(blocking=False):
                try:
                    self._leave()
                finally:
                    self._lock.release()
                return
            if left.wait(_TURN):  # the sweep that goes on has done it
                return

    def close(self) -> None:
        with self._lock:
            for way in self._ways:
                way.close()
            self._loop.run_until_complete(asyncio.sleep(0))  # what was cancelled takes note of it
            self._loop.close()

    def _sweep(self, source: Iterator[Endpoint], ended: Callable[[], bool]) -> Iterator[Answer]:
        ahead: dict[Asking, deque[Endpoint]] = {way: deque() for way in self._ways}
        more = True
        while not ended():
            self._ask_ahead(ahead)
            more = more and self._ask_next(source, ahead)
            if not self._answers:
                if not more and not any(ahead.values()) and not any(way.under_way for way in self._ways):
                    return
                self._turn()
            while self._answers:
                yield self._answers.popleft()

    def _ask_ahead(self, ahead: dict[Asking, deque[Endpoint]]) -> None:
        for way, endpoints in ahead.items():
            while endpoints and way.room():
                way.ask(endpoints.popleft())

    def _ask_next(self, source: Iterator[Endpoint], ahead: dict[Asking, deque[Endpoint]]) -> bool:
        """Ask as many as there is room for; False: there are no more."""
        while sum(map(len, ahead.values())) < _AHEAD and any(way.room() for way in self._ways):
            endpoint = next(source, None)
            if endpoint is None:
                return False
            way = self._way(endpoint)
            if way.room() and not ahead[way]:
                way.ask(endpoint)
            else:
                ahead[way].append(endpoint)
        return True

    def _way(self, endpoint: Endpoint) -> Asking:
        scheme = endpoint.address.scheme
        if scheme is None:
            return self._others
        return self._ipmi if scheme is Scheme.IPMI else self._redfish

    def _turn(self) -> None:
        """Let the loop run until there are answers, or for a moment."""
        self._timer = self._loop.call_later(_TURN, self._loop.stop)
        self._loop.run_forever()
        self._timer.cancel()
        self._timer = None
        for way in self._ways:
            way.tick()
        self._forget_now()

    def _answered(self, endpoint: Endpoint, answer: PowerState | BMCError) -> None:
        self._answers.append((endpoint, answer))
        if self._timer is None:  # no turn has begun
            return
        if len(self._answers) >= _TOGETHER:
            self._loop.stop()
        elif len(self._answers) == 1:
            self._timer.cancel()
            self._timer = self._loop.call_later(_SOON, self._loop.stop)

    def _forget_now(self) -> None:
        with suppress(IndexError):
            while True:
                address, left = self._to_forget.popleft()
                if leaving := [task for way in self._ways for task in way.forget(address)]:
                    task = self._loop.create_task(_then(leaving, left))
                    self._leaving.add(task)
                    task.add_done_callback(self._leaving.discard)
                else:
                    left.set()

    def _leave(self) -> None:
        """Close what is to be forgotten, now."""
        self._forget_now()
        if self._leaving:
            self._loop.run_until_complete(asyncio.wait(set(self._leaving), timeout=_LEAVING))


async def _then(leaving: Sequence[asyncio.Task[None]], left: threading.Event) -> None:
    await asyncio.wait(leaving)
    left.set()


class ThroughConnect:
    """A way to ask that logs in and out by a driver, each BMC in a thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answered: Callable[[Endpoint, PowerState | BMCError], None],
        connect: Callable[[Endpoint], BMC],
        at_once: int = 8,
    ) -> None:
        self._loop, self._answered, self._connect, self._at_once = loop, answered, connect, at_once
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="sweep")
        self._asked: set[Future[PowerState | BMCError]] = set()

    @property
    def under_way(self) -> int:
        return len(self._asked)

    def room(self) -> bool:
        return len(self._asked) < self._at_once

    def ask(self, endpoint: Endpoint) -> None:
        future = self._pool.submit(self._look, endpoint)
        self._asked.add(future)

        def ready(done: Future[PowerState | BMCError]) -> None:
            with suppress(RuntimeError):  # closed meanwhile
                self._loop.call_soon_threadsafe(self._collect, endpoint, done)

        future.add_done_callback(ready)

    def _collect(self, endpoint: Endpoint, done: Future[PowerState | BMCError]) -> None:
        if done in self._asked:
            self._asked.remove(done)
            self._answered(endpoint, done.result())

    def _look(self, endpoint: Endpoint) -> PowerState | BMCError:
        try:
            bmc = self._connect(endpoint)
            try:
                return bmc.power_state()
            finally:
                bmc.close()
        except BMCError as error:
            return error.with_traceback(None)
        except Exception as error:
            log.exception("%s: its power cannot be read", endpoint.address)
            seen = f"its driver failed ({type(error).__name__})"
            return BMCError.at(endpoint.address, "read the power state", seen, "report it with the log")

    def tick(self) -> None:
        """Nothing to do."""

    def forget(self, address: BMCAddress) -> Sequence[asyncio.Task[None]]:
        """Nothing is kept."""
        return ()

    def stop(self) -> None:
        for future in self._asked:
            future.cancel()
        self._asked.clear()

    def close(self) -> None:
        self.stop()
        self._pool.shutdown(wait=False)
