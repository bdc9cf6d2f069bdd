"""Ask many BMCs the same thing at once, a bounded number at a time, and tell each answer as it comes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint, PowerState
from hwdrivers.errors import BMCError, Unsupported
from seed.bmcs import BMCs
from seed.errors import StoreFailed
from seed.model import Node
from seed.operations.operation import Arguments, Ask, Operation
from seed.power.poll import Power, login_of
from seed.store import Store
from seed.store.errors import Conflict, NotFound, WrongKey

log = logging.getLogger(__name__)

AT_ONCE = 64  # conversations; what limits is how long BMCs take

LOOKED_UP = 5_000  # nodes in one statement: a database takes only so many parameters

Row = dict[str, Any]


class FanOut:
    """Asks; one node that cannot be asked does not keep the others from being asked."""

    def __init__(self, store: Store, bmcs: BMCs, power: Power, at_once: int = AT_ONCE) -> None:
        """`power` asks a fleet for its power in seconds, which conversations cannot."""
        self._store = store
        self._bmcs = bmcs
        self._power = power
        self._at_once = at_once

    def rows(
        self,
        keys: Sequence[str],
        operation: Operation,
        arguments: Arguments,
        who: str,
        ended: Callable[[], bool] = lambda: False,
    ) -> Iterator[Row]:
        """One row for each of these names or UUIDs; once `ended`, nobody else is asked.

        A row has node, uuid, bmc, and either `result`, or `error` in words; `unsupported`: it is none of
        the BMC's abilities, so that asking again changes nothing.
        """
        found: dict[str, Node] = {}
        with self._store.read() as tx:
            for first in range(0, len(keys), LOOKED_UP):
                found |= tx.nodes.named(keys[first : first + LOOKED_UP])
        yield from (_row(key, error=f"no node '{key}'") for key in dict.fromkeys(keys) if key not in found)
        nodes = {node.uuid: node for node in found.values()}.values()
        if (question := operation.ask) is None:
            yield from self._swept(nodes, ended)
            return

        def ask(node: Node) -> Row | None:
            return None if ended() else self._ask(node, operation, question, arguments, who)

        with ThreadPoolExecutor(max(1, min(self._at_once, len(nodes))), thread_name_prefix="ask") as pool:
            for done in as_completed([pool.submit(ask, node) for node in nodes]):
                if (row := done.result()) is not None:
                    yield row

    def _swept(self, nodes: Collection[Node], ended: Callable[[], bool]) -> Iterator[Row]:
        """Whether they have power, by the sweep that the power sync has too."""
        asked: dict[BMCAddress, tuple[Node, Endpoint]] = {}
        with self._store.read() as tx:
            logins = {name: login_of(tx, name) for name in {node.credentials for node in nodes}}
        for node in nodes:
            login = logins[node.credentials]
            if isinstance(login, NotFound):
                yield _row(node.name, node, error=str(login))
                continue
            endpoint = Endpoint(BMCAddress.parse(node.bmc), login)
            asked[endpoint.address] = node, endpoint
        for endpoint, said in self._power.power([each for _, each in asked.values()], ended=ended):
            node, _ = asked[endpoint.address]
            if isinstance(said, PowerState):
                yield _row(node.name, node, result={"power": said.value})
            else:
                yield _row(node.name, node, error=str(said))

    def _ask(self, node: Node, operation: Operation, ask: Ask, arguments: Arguments, who: str) -> Row:
        try:
            if operation.announces is not None:
                self._announce(node, operation.announces(arguments), who)
            with self._bmcs.open(node) as bmc:
                return _row(node.name, node, result=ask(bmc, arguments))
        except Unsupported as error:
            return _row(node.name, node, error=self._told(node, operation, str(error)), unsupported=True)
        except (BMCError, Conflict, NotFound, StoreFailed, WrongKey) as error:
            return _row(node.name, node, error=self._told(node, operation, str(error)))
        except Exception as error:
            log.exception("node '%s': its BMC cannot be asked", node.name)
            words = f"internal error ({type(error).__name__}); the seed's log has more"
            return _row(node.name, node, error=self._told(node, operation, words))

    def _announce(self, node: Node, words: str, who: str) -> None:
        """A run owns what its node boots from; everybody else waits."""
        with self._store.write() as tx:
            run = tx.runs.live(node.uuid)
            if run is not None:
                raise Conflict(f"run {run.id} ({run.verb}) is under way; what its BMC does is the run's")
            tx.events.add("bmc.asked", f"{words}, by {who}", node=node.uuid, who=who)

    def _told(self, node: Node, operation: Operation, error: str) -> str:
        """A change that was announced, and did not come about, is not left standing in the journal."""
        if operation.announces is not None:
            try:
                with self._store.write() as tx:
                    tx.events.add("bmc.failed", error, node=node.uuid)
            except StoreFailed as failed:
                log.warning("node '%s': %s; %s", node.name, error, failed)
        return error


def _row(
    name: str,
    node: Node | None = None,
    result: dict[str, Any] | None = None,
    error: str | None = None,
    *,
    unsupported: bool = False,
) -> Row:
    return {
        "node": name,
        "uuid": node.uuid if node else None,
        "bmc": node.bmc if node else None,
        "result": result,
        "error": error,
        "unsupported": unsupported,
    }
