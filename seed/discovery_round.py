"""One discovery while it runs: machines come from the scan and are asked who they are meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, assert_never

from hwdrivers.credentials import Credentials
from hwdrivers.neighbours import Neighbours
from hwdrivers.scan import Plan
from hwdrivers.scan_machines import FoundMachine
from hwdrivers.targets import IPAddress
from seed.discovery_login import Login, Questions, Told
from seed.discovery_memory import Memory
from seed.discovery_nodes import Nodes
from seed.discovery_rows import row_of
from seed.discovery_scan import Find, Over, Probed, Scanning
from seed.manifest import Manifest

LOGINS_AT_ONCE = 32
_LOOK = 0.2  # seconds: how often it is asked whether to stop

Document = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What became of the question who a machine is."""

    machine: FoundMachine
    told: Sequence[Told]
    mac: str | None
    error: Exception | None = None


@dataclass(frozen=True)
class Order:
    """Which log-ins are tried on a machine; `logins` by name, those that are `given` on every one."""

    nodes: Nodes
    memory: Memory
    logins: Mapping[str, Credentials]
    given: Sequence[str]
    manifest: Manifest | None

    def of(self, machine: FoundMachine, mac: str | None) -> list[Login]:
        """What is likely to be right first: its node's, the manifest's, what let us in the last time."""
        own = self.nodes.login(str(found.address) for found in machine.findings)
        planned = self.manifest.login_at(machine.best.address.host, mac) if self.manifest else None
        before = self.memory.last_login(machine)
        names = dict.fromkeys([planned, before if before in self.given else None, *self.given])
        return [*([own] if own else []), *(Login(name, self.logins[name]) for name in names if name)]


class Round:
    """Not to be used twice."""

    def __init__(
        self,
        memory: Memory,
        questions: Questions,
        order: Order,
        neighbours: Neighbours,
        ended: Callable[[], bool],
    ) -> None:
        self._memory = memory
        self._questions = questions
        self._order = order
        self._neighbours = neighbours
        self._ended = ended
        self._arrivals: SimpleQueue[FoundMachine | Probed | Over | Answer] = SimpleQueue()
        self._waiting: dict[str, FoundMachine] = {}  # by address
        self._scan_over = False
        self._pool = ThreadPoolExecutor(LOGINS_AT_ONCE, thread_name_prefix="identity")

    def documents(self, find: Find, targets: Sequence[IPAddress], plan: Plan) -> Iterator[Document]:
        """See `Discovery.run`."""
        with Scanning(find, targets, plan, self._arrivals.put) as scanning:
            try:
                while not self._ended() and not (self._scan_over and not self._waiting):
                    try:
                        arrival = self._arrivals.get(timeout=_LOOK)
                    except Empty:
                        continue
                    yield from self._take(arrival)
            finally:
                scanning.stop()
                self._pool.shutdown(cancel_futures=True)
                self._keep_the_rest()
        if not self._ended():
            yield from self._memory.end()

    def _take(self, arrival: FoundMachine | Probed | Over | Answer) -> Iterator[Document]:
        match arrival:
            case Probed(done, total):
                found = len(self._memory.rows) + len(self._waiting)
                yield {"progress": {"probed": done, "total": total, "found": found}}
            case FoundMachine():
                yield from self._found(arrival)
            case Answer():
                self._waiting.pop(str(arrival.machine.best.address))
                if arrival.error is not None:
                    raise arrival.error
                for row in self._memory.told(arrival.machine, arrival.told, arrival.mac):
                    yield {"machine": row}
            case Over(error):
                self._scan_over = True
                if error is not None:
                    raise error
            case _:
                assert_never(arrival)

    def _found(self, machine: FoundMachine) -> Iterator[Document]:
        """A new machine is asked who it is; one that answers in a further way has a longer row."""
        further = self._memory.further(machine)
        if further is not None:
            yield from ({"machine": row} for row in further)
            return
        mac = self._neighbours.mac(machine.best.address.host)
        logins = [*self._order.of(machine, mac), *self._questions.defaults(machine)]
        if not logins:
            rows = self._memory.told(machine, [Told(machine.best.address)], mac)
            yield from ({"machine": row} for row in rows)
            return
        yield {"found": row_of(machine, None, mac)}
        self._waiting[str(machine.best.address)] = machine
        self._pool.submit(self._ask, machine, logins, mac)

    def _ask(self, machine: FoundMachine, logins: Sequence[Login], mac: str | None) -> None:
        try:
            answer = Answer(machine, self._questions.ask(machine, logins), mac)
        except Exception as error:  # a bug: told by the thread that tells everything
            answer = Answer(machine, (), mac, error)
        self._arrivals.put(answer)

    def _keep_the_rest(self) -> None:
        """What came too late to be told is kept all the same."""
        while not self._arrivals.empty():
            arrival = self._arrivals.get()
            if isinstance(arrival, Answer) and arrival.error is None:
                self._waiting.pop(str(arrival.machine.best.address), None)
                self._memory.told(arrival.machine, arrival.told, arrival.mac)
            elif isinstance(arrival, FoundMachine) and self._memory.further(arrival) is None:
                self._waiting[str(arrival.best.address)] = arrival
        for machine in self._waiting.values():
            self._memory.told(machine, [Told(machine.best.address)], None)
