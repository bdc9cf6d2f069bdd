"""The runs that one seed has in hand: claimed, kept by a lease while it lives, taken over when it dies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from seed.errors import StoreFailed
from seed.model import Node, Run
from seed.store import Store, Transaction
from seed.store.leases import SEED
from seed.store.runs import Claimed

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)  # renewed while the seed lives, however long a step takes

Task = tuple[Run, Node]


class Tenure:
    """What the seed `name` may walk; `runs` are the numbers of those that it has in hand."""

    def __init__(
        self,
        store: Store,
        name: str,
        limits: Mapping[str, int],
        lease: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self.runs: set[int] = set()
        self._store = store
        self._name = name
        self._limits = limits
        self._lease = lease
        self._clock = clock

    def resume(self) -> None:
        """Take back what this seed had when it ended; if no other lives, all deadlines begin anew."""
        with self._store.write() as tx:
            for left in tx.runs.take_back(self._name):
                message = f"{left.verb} goes on at {left.step}"
                tx.events.add("run.resumed", message, node=left.node, run=left.id)
            if not [seed for seed in tx.leases.seeds() if seed != self._name]:
                tx.runs.excuse()
            self._renew(tx)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Say every few seconds that this seed lives, also while a batch or a step takes long."""
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(self._lease.total_seconds() / 3):
                try:
                    with self._store.write() as tx:
                        self._renew(tx)
                except StoreFailed as error:
                    log.warning("the leases of this seed are not renewed: %s", error)

        thread = threading.Thread(target=renew, name="leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with self._store.write() as tx:
                tx.leases.give_up(f"{SEED}{self._name}", self._name)

    def _renew(self, tx: Transaction) -> None:
        until = self._clock() + self._lease
        tx.leases.take(f"{SEED}{self._name}", self._name, until)
        tx.runs.renew(self._name, until, list(self.runs))  # what was lost sight of is claimed again

    def next_due(self) -> datetime | None:
        """When there may be a run to claim."""
        with self._store.read() as tx:
            return tx.runs.next_wake(self._limits)

    def claim(self, most: int) -> list[Task]:
        """Runs that are due, and their nodes; a need that is limited may have become free at any time."""
        earliest = self.next_due()
        if (earliest is None or earliest > self._clock()) and not self._limits:
            return []
        with self._store.claim() as tx:
            due = tx.runs.claim(self._name, self._clock() + self._lease, most, self._limits)
            # One that is walked here comes again when the store was away for longer than its lease.
            claimed = [each for each in due if each.run.id not in self.runs]
            nodes = tx.nodes.many(each.run.node for each in claimed)
        self._take_over([each for each in claimed if each.left_by is not None])
        return [(each.run, nodes[each.run.node]) for each in claimed]

    def _take_over(self, left: Sequence[Claimed]) -> None:
        """Say whose runs go on here; events are written by writers alone, so that none is overtaken."""
        if not left:
            return
        with self._store.write() as tx:
            for each in left:
                message = f"{each.run.verb} goes on at {each.run.step}: seed '{each.left_by}' fell silent"
                tx.events.add("run.resumed", message, node=each.run.node, run=each.run.id)
