"""A scan in a thread of its own, which tells what it finds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hwdrivers.scan import Finding, Plan, Progress, Settled
from hwdrivers.scan_machines import FoundMachine, Grouping
from hwdrivers.targets import IPAddress


class Find(Protocol):
    """`hwdrivers.scan.scan_events`, or what stands for it."""

    def __call__(
        self, targets: Sequence[IPAddress], plan: Plan, *, progress: Progress
    ) -> AsyncIterator[Finding | Settled]: ...


@dataclass(frozen=True)
class Probed:
    """How far it is, in questions."""

    done: int
    total: int


@dataclass(frozen=True)
class Over:
    """The last that is told; `error` where the scan broke."""

    error: Exception | None = None


class Scanning:
    """Scans while it is entered; `tell` is called in its thread."""

    def __init__(
        self,
        find: Find,
        targets: Sequence[IPAddress],
        plan: Plan,
        tell: Callable[[FoundMachine | Probed | Over], None],
    ) -> None:
        self._find = find
        self._targets = targets
        self._plan = plan
        self._tell = tell
        self._lock = threading.Lock()
        self._stopped = False
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None
        self._thread = threading.Thread(target=self._work, name="scan", daemon=True)

    def __enter__(self) -> Scanning:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        """Send nothing more."""
        with self._lock:
            self._stopped = True
            if self._running is not None:
                loop, task = self._running
                loop.call_soon_threadsafe(task.cancel)

    def _work(self) -> None:
        error: Exception | None = None
        try:
            asyncio.run(self._scan())
        except asyncio.CancelledError:
            pass
        except Exception as broken:
            error = broken
        self._tell(Over(error))

    async def _scan(self) -> None:
        task = asyncio.create_task(self._events())
        with self._lock:
            if self._stopped:
                task.cancel()
            self._running = (asyncio.get_running_loop(), task)
        try:
            await task
        finally:
            with self._lock:
                self._running = None

    async def _events(self) -> None:
        grouping = Grouping(self._plan)
        try:
            async for event in self._find(self._targets, self._plan, progress=self._progress):
                for machine in grouping.take(event):
                    self._tell(machine)
        finally:
            for machine in grouping.rest():
                self._tell(machine)

    def _progress(self, done: int, total: int) -> None:
        self._tell(Probed(done, total))
