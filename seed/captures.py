"""What machines write to their serial consoles while runs are under way: kept, telling lines journaled."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from hwdrivers.errors import BMCError
from hwdrivers.interfaces import Interface
from pxe.console_signs import ConsoleSigns
from pxe.milestones import Milestone
from seed.capture_files import CaptureFile, CaptureFiles
from seed.consoles import Consoles
from seed.errors import StoreFailed
from seed.model import Node, Run
from seed.power.pauses import Pauses
from seed.store import Store
from seed.store.errors import NotFound, WrongKey

log = logging.getLogger(__name__)

LEASE = "consoles"  # one seed of those that share a store captures
HOLD = timedelta(minutes=1)
MOST = 256  # consoles at once: each keeps a thread, and a session of a BMC
LOOK = 5.0  # seconds between two looks at which runs there are
PAUSE = 1.0  # that are at least between them, however many runs begin and end
RUN_ENDED, SEED_ENDS = "the run has ended", "the seed ends"
AGAIN, LONGEST = timedelta(seconds=5), timedelta(minutes=2)  # pauses between attempts at a console


class Capture:
    """One run's console, while it is open."""

    def __init__(self, file: CaptureFile) -> None:
        self._file = file
        self._signs = ConsoleSigns()
        self._told: queue.SimpleQueue[Milestone | None] = queue.SimpleQueue()
        self.why = ""

    def hear(self, data: bytes) -> None:
        self._file.add(data)
        for sign in self._signs.read(data):
            self._told.put(sign)

    def end(self, why: str) -> None:
        self.why = self.why or why
        self._told.put(None)

    def signs(self) -> Iterator[Milestone]:
        """Waits for the telling lines, until it ends."""
        return iter(self._told.get, None)


class Captures:
    """Follows which runs there are; a console that is lost, or refused, never hurts a run."""

    def __init__(
        self,
        store: Store,
        consoles: Consoles,
        files: CaptureFiles,
        *,
        name: str = "seed",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`name` is this seed's."""
        self._store = store
        self._consoles = consoles
        self._files = files
        self._name = name
        self._clock = clock
        self._pauses = Pauses(AGAIN, LONGEST, clock)
        self._under_way: dict[int, Capture] = {}
        self._without: set[int] = set()  # runs whose nodes have no console
        self._leads_until = datetime.min.replace(tzinfo=UTC)
        self._ended = threading.Event()
        self._woken = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Capture, in threads; on the way out all consoles are closed."""
        thread = threading.Thread(target=self._serve, name="captures")
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._woken.set()
            thread.join()

    def wake(self) -> None:
        """Runs may have begun or ended."""
        self._woken.set()

    def _serve(self) -> None:
        with ThreadPoolExecutor(MOST, thread_name_prefix="capture") as pool:
            while not self._ended.wait(PAUSE):
                self._woken.clear()
                try:
                    self.look(lambda run, node: pool.submit(self.capture, run, node))
                except (StoreFailed, WrongKey) as error:
                    log.warning("no console is captured anew: %s", error)
                except Exception:
                    log.exception("no console is captured anew")
                self._woken.wait(LOOK)
            for capture in [*self._under_way.values()]:
                capture.end(SEED_ENDS)

    def look(self, begin: Callable[[Run, Node], object]) -> None:
        """End the captures of runs that have ended, and `begin` those of new ones."""
        mine = self._leads()
        with self._store.read() as tx:
            live = tx.runs.under_way() if mine else {}
            fresh = [node for run, node in live.items() if self._wanted(run, node)]
            runs = tx.runs.live_on(fresh[: MOST - len(self._under_way)])
            nodes = tx.nodes.many(runs)
        for number, capture in [*self._under_way.items()]:
            if number not in live:
                capture.end(RUN_ENDED)
        self._without &= live.keys()
        for uuid, run in runs.items():
            if not _has_console(nodes[uuid]):
                self._without.add(run.id)
                continue
            self._under_way[run.id] = Capture(self._files.of(run))
            begin(run, nodes[uuid])

    def _wanted(self, run: int, node: str) -> bool:
        return run not in self._under_way and run not in self._without and self._pauses.over(node)

    def _leads(self) -> bool:
        """Whether this is the seed that captures; its lease is renewed when half of it is over."""
        now = self._clock()
        if self._leads_until - now > HOLD / 2:
            return True
        with self._store.write() as tx:
            mine = tx.leases.take(LEASE, self._name, now + HOLD)
        self._leads_until = now + HOLD if mine else now
        return mine

    def capture(self, run: Run, node: Node) -> None:
        """Read along until the run ends, or the console does."""
        capture = self._under_way[run.id]
        try:
            with self._consoles.joined(node, capture):
                self._pauses.end(node.uuid)
                for sign in capture.signs():
                    self._journal(run, sign)
        except (BMCError, NotFound, StoreFailed, WrongKey, OSError) as error:
            capture.end(str(error))
        except Exception as error:
            log.exception("node '%s': its console is not captured", node.name)
            capture.end(type(error).__name__)
        finally:
            log.info("node '%s': the capture of its console ends: %s", node.name, capture.why)
            if capture.why not in (RUN_ENDED, SEED_ENDS):
                self._pauses.add(node.uuid)
            del self._under_way[run.id]
            self.wake()

    def _journal(self, run: Run, sign: Milestone) -> None:
        with self._store.write() as tx:
            tx.events.add(sign.kind, sign.message, node=run.node, run=run.id, **sign.data)


def _has_console(node: Node) -> bool:
    if node.console is not None:
        return True
    told = (node.abilities or {}).get(Interface.CONSOLE.value)
    return bool(told and told["supported"])
