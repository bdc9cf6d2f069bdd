"""Ask many BMCs for the power of their machines: a bounded number at once, none that a run speaks to."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue

from hwdrivers.bmc import PowerState
from hwdrivers.credentials import Credentials
from hwdrivers.errors import BMCError
from seed.bmcs import BMCs
from seed.errors import StoreFailed
from seed.model import Watched
from seed.store import Store, Transaction
from seed.store.errors import NotFound

log = logging.getLogger(__name__)

TOGETHER = 48  # answers that are handed on together
PATIENCE = 5.0  # seconds that answers wait for those of slower BMCs
FRESH = timedelta(seconds=1)  # how long it is believed that nobody works on a node

Login = Credentials | NotFound


@dataclass(frozen=True)
class Answer:
    """What a BMC said, or why there is nothing to tell; the node as it stood when it was asked."""

    node: Watched
    said: PowerState | BMCError | NotFound
    login: Login


@dataclass(frozen=True)
class Question:
    """A node that nobody worked on `at` that time, and how to log in to its BMC."""

    node: Watched
    login: Login
    at: datetime


def login_of(tx: Transaction, credentials: str) -> Login:
    """The log-in of that name, or the error that says that there is none."""
    try:
        return tx.credentials.get(credentials)
    except NotFound as error:
        return error


class PowerPoll:
    """One conversation with each BMC, `at_once` of them at the same time."""

    def __init__(
        self,
        store: Store,
        bmcs: BMCs,
        at_once: int,
        clock: Callable[[], datetime],
        *,
        besides: Collection[str],
        ended: Callable[[], bool],
    ) -> None:
        """`besides`: states whose nodes are not asked; once `ended`, nobody else is asked."""
        self._store = store
        self._bmcs = bmcs
        self._at_once = at_once
        self._clock = clock
        self._besides = besides
        self._ended = ended

    def answers(self, uuids: Iterable[str]) -> Iterator[list[Answer]]:
        """Some dozen at a time, as they come; a slow BMC keeps one thread, and nobody else waiting."""
        todo, got = deque(uuids), list[Answer]()
        done: SimpleQueue[Future[Answer | None]] = SimpleQueue()
        under_way = 0
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="power") as pool:
            while True:
                if under_way <= self._at_once:
                    for question in self._next(todo):
                        pool.submit(self._ask, question).add_done_callback(done.put)
                        under_way += 1
                if not under_way:
                    break
                try:
                    answer = done.get(timeout=PATIENCE).result()
                    under_way -= 1
                except Empty:
                    answer = None
                got += [answer] if answer else []
                if len(got) >= TOGETHER or answer is None:
                    yield got
                    got = []
        yield got

    def _next(self, todo: deque[str]) -> list[Question]:
        """Those of the next nodes that nobody works on; looked up together, which costs a tenth."""
        while todo and not self._ended():
            some = [todo.popleft() for _ in range(min(len(todo), self._at_once))]
            if found := self._questions(some):
                return found
        return []

    def _questions(self, uuids: list[str]) -> list[Question]:
        with self._store.read() as tx:
            nodes = tx.fleet.watched(self._besides, uuids)
            logins = {name: login_of(tx, name) for name in {node.credentials for node in nodes}}
        now = self._clock()
        return [Question(node, logins[node.credentials], now) for node in nodes]

    def _ask(self, question: Question) -> Answer | None:
        """None: somebody works on the node by now, or its driver is broken."""
        if self._clock() - question.at > FRESH:
            fresh = self._questions([question.node.uuid])
            if not fresh:
                return None
            (question,) = fresh
        node, login = question.node, question.login
        if isinstance(login, NotFound):
            return Answer(node, login, login)
        try:
            with self._bmcs.log_in(node.bmc, login) as bmc:
                return Answer(node, bmc.power_state(), login)
        except BMCError as error:
            return Answer(node, error, login)
        except StoreFailed:
            raise
        except Exception:
            log.exception("node '%s': its power cannot be read", node.name)
            return None
