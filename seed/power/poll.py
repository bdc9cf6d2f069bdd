"""Ask many BMCs for the power of their machines, and none that a run speaks to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint, PowerState
from hwdrivers.credentials import Credentials
from hwdrivers.errors import BMCError
from hwdrivers.sweep import Answer as Said
from seed.model import Watched
from seed.store import Store, Transaction
from seed.store.errors import NotFound

TOGETHER = 48  # answers that are handed on together
PATIENCE = timedelta(seconds=1)  # after which fewer are
LOOKED_UP = 256  # nodes that are looked up together, which costs a tenth
FRESH = timedelta(seconds=1)  # how long it is believed that nobody works on a node


@dataclass(frozen=True)
class Answer:
    """What a BMC said, or why there is nothing to tell; the node as it stood when it was asked."""

    node: Watched
    said: PowerState | BMCError | NotFound


class Power(Protocol):
    """Asks many BMCs, as `hwdrivers.governor.Governor` does; a BMC whose driver is broken gives no answer."""

    def power(self, endpoints: Iterable[Endpoint], *, ended: Callable[[], bool]) -> Iterator[Said]:
        """Answers as they come; takes endpoints as there is room for more."""


class PowerPoll:
    """Asks nodes' BMCs, looking up shortly before who may be asked and how."""

    def __init__(
        self,
        store: Store,
        power: Power,
        clock: Callable[[], datetime],
        *,
        besides: Collection[str],
        ended: Callable[[], bool],
    ) -> None:
        """`besides`: states whose nodes are not asked; once `ended`, nobody else is asked."""
        self._store = store
        self._power = power
        self._clock = clock
        self._besides = besides
        self._ended = ended

    def answers(self, uuids: Sequence[str]) -> Iterator[list[Answer]]:
        """Many at a time, as they come."""
        asked: dict[BMCAddress, Watched] = {}
        got: list[Answer] = []
        since = self._clock()
        for endpoint, said in self._power.power(self._endpoints(uuids, asked, got), ended=self._ended):
            got.append(Answer(asked[endpoint.address], said))
            if len(got) >= TOGETHER or self._clock() - since > PATIENCE:
                yield got[:]
                got.clear()
                since = self._clock()
        yield got

    def _endpoints(
        self, uuids: Sequence[str], asked: dict[BMCAddress, Watched], got: list[Answer]
    ) -> Iterator[Endpoint]:
        """Read as BMCs are asked: who has had to wait is looked up again, since a run may have begun."""
        todo = list(reversed(uuids))
        while todo and not self._ended():
            some = [todo.pop() for _ in range(min(len(todo), LOOKED_UP))]
            questions, looked_up = self._questions(some), self._clock()
            for node, login in questions:
                if self._clock() - looked_up > FRESH:
                    todo += [*some[: some.index(node.uuid) : -1], node.uuid]
                    break
                if isinstance(login, NotFound):
                    got.append(Answer(node, login))
                else:
                    endpoint = Endpoint(BMCAddress.parse(node.bmc), login)
                    asked[endpoint.address] = node
                    yield endpoint

    def _questions(self, uuids: Sequence[str]) -> list[tuple[Watched, Credentials | NotFound]]:
        """Those that nobody works on, in this order, and how to log in."""
        with self._store.read() as tx:
            nodes = {node.uuid: node for node in tx.fleet.watched(self._besides, uuids)}
            logins = {name: login_of(tx, name) for name in {node.credentials for node in nodes.values()}}
        there = [nodes[uuid] for uuid in uuids if uuid in nodes]
        return [(node, logins[node.credentials]) for node in there]


def login_of(tx: Transaction, credentials: str) -> Credentials | NotFound:
    """The log-in of that name, or the error that says that there is none."""
    try:
        return tx.credentials.get(credentials)
    except NotFound as error:
        return error
