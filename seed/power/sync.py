"""The power sync: look at the power of every node that nobody works on, and tell where it is not as left.

One seed of those that share a store sweeps. A node with a run, or in maintenance, is left alone: whoever
works there knows better. What a BMC says is worth nothing if a run began, or anything changed, meanwhile.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from hwdrivers.bmc import PowerState
from seed.errors import StoreFailed
from seed.lifecycle import Lifecycle
from seed.model import Watched
from seed.power.drift import Finding, drifted, judge
from seed.power.pauses import Pauses
from seed.power.poll import Answer, Power, PowerPoll
from seed.power.silence import Silence
from seed.store import Store, Transaction
from seed.store.errors import WrongKey

log = logging.getLogger(__name__)

WHO = LEASE = "power sync"
VERB = "restore power"
STEPS = ("restore_power",)
GRACE = timedelta(minutes=1)  # how much longer than two sweeps a seed may be silent before another sweeps
SPREAD = 10.0  # seconds within which the first sweep begins: seeds are started together
LONGEST = timedelta(hours=1)  # between two attempts to restore the power of one node


class PowerSync:
    """Sweeps the fleet; `running` has it done every `interval` seconds."""

    def __init__(
        self,
        store: Store,
        lifecycle: Lifecycle,
        power: Power,
        wake: Callable[[], None],
        *,
        name: str = "seed",
        interval: float = 45,
        faulty_after: int = 3,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        randomness: Callable[[], float] = random.random,
    ) -> None:
        """`interval` in seconds, 0: never; `faulty_after`: questions without an answer; `name` is this
        seed's, `wake` has its conductor look at what was started."""
        self._store = store
        self._wake = wake
        self._name = name
        self._interval = timedelta(seconds=interval)
        self._clock = clock
        self._random = randomness
        self._besides = lifecycle.terminal | {lifecycle.initial}
        self._silence = Silence(faulty_after)
        self._restored = Pauses(self._interval, LONGEST, clock)
        self._leads_until = datetime.min.replace(tzinfo=UTC)
        self._ended = threading.Event()
        self._poll = PowerPoll(store, power, clock, besides=self._besides, ended=self._ended.is_set)

    # -- the loop ----------------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[None]:
        """Sweep again and again in a thread of its own; on the way out, what is being asked is finished."""
        if not self._interval:
            yield
            return
        thread = threading.Thread(target=self._serve, name="power sync")
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
            with self._store.write() as tx:
                tx.leases.give_up(LEASE, self._name)

    def _serve(self) -> None:
        pause = min(self._interval.total_seconds(), SPREAD) * self._random()
        while not self._ended.wait(pause):
            began = self._clock()
            try:
                self.sweep()
            except (StoreFailed, WrongKey) as error:
                log.warning("the nodes' power was not looked at: %s", error)
            except Exception:  # what broke one sweep must not end all later ones
                log.exception("the nodes' power was not looked at")
            pause = max(0.0, (began + self._interval - self._clock()).total_seconds())

    def _leads(self) -> bool:
        """Whether this is the seed that sweeps; its lease is renewed when half of it is over."""
        now, span = self._clock(), 2 * self._interval + GRACE
        if self._leads_until - now > span / 2:
            return True
        with self._store.write() as tx:
            mine = tx.leases.take(LEASE, self._name, now + span)
        self._leads_until = now + span if mine else now
        return mine

    # -- one sweep ---------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Ask every BMC once, in any order, and save what is new; nothing where another seed sweeps."""
        if not self._leads():
            return
        with self._store.read() as tx:
            nodes = [node.uuid for node in tx.fleet.watched(self._besides)]
        for answers in self._poll.answers(sorted(nodes, key=lambda _: self._random())):
            if not self._leads():
                return
            self._save(answers)

    # -- what was answered -------------------------------------------------------------------------

    def _save(self, answers: Sequence[Answer]) -> None:
        news = {answer.node.uuid: (answer.node, self._finding(answer)) for answer in answers}
        news = {uuid: (node, finding) for uuid, (node, finding) in news.items() if finding}
        if not news:
            return
        with self._store.write() as tx:
            now = {node.uuid: node for node in tx.fleet.watched(self._besides, list(news))}
            same = [(node, finding) for uuid, (node, finding) in news.items() if now.get(uuid) == node]
            for node, finding in same:
                self._record(tx, node, finding)
            self._restore(tx, [node for node, finding in same if finding.restore])
        if any(finding.restore for _, finding in same):
            self._wake()

    def _finding(self, answer: Answer) -> Finding:
        node, said = answer.node, answer.said
        if not isinstance(said, PowerState):
            return self._silence.silent(node, said)
        self._silence.heard(node.uuid)
        if not drifted(node, said):
            self._restored.end(node.uuid)
        finding = judge(node, said)
        finding.restore = finding.restore and self._restored.over(node.uuid)
        return finding

    def _record(self, tx: Transaction, node: Watched, finding: Finding) -> None:
        tx.nodes.update(node.uuid, **finding.facts)
        for kind, message in finding.events:
            tx.events.add(kind, message, node=node.uuid, who=WHO)

    def _restore(self, tx: Transaction, nodes: Sequence[Watched]) -> None:
        """A run as any other; where a rollout is to come, it would be in its way."""
        planned = tx.rollouts.under_way() if nodes else {}
        for node in nodes:
            if node.uuid in planned:
                continue
            run = tx.runs.open(tx.runs.new(node.uuid, VERB, WHO, STEPS))
            self._restored.add(node.uuid)
            message = f"{node.expected_power} is to be restored"
            tx.events.add("power.restore", message, node=node.uuid, run=run.id, who=WHO)
