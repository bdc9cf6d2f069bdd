"""Ask many BMCs the same thing at once, a bounded number at a time, and tell each answer as it comes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from hwdrivers.errors import BMCError, Unsupported
from seed.bmcs import BMCs
from seed.errors import StoreFailed
from seed.model import Node
from seed.operations.operation import Arguments, Operation
from seed.store import Store
from seed.store.errors import Conflict, NotFound, WrongKey

log = logging.getLogger(__name__)

AT_ONCE = 64  # conversations; what limits is how long BMCs take

Row = dict[str, Any]


class FanOut:
    """Asks; one node that cannot be asked does not keep the others from being asked."""

    def __init__(self, store: Store, bmcs: BMCs, at_once: int = AT_ONCE) -> None:
        self._store = store
        self._bmcs = bmcs
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
        with self._store.read() as tx:
            found = tx.nodes.named(keys)
        yield from (_row(key, error=f"no node '{key}'") for key in dict.fromkeys(keys) if key not in found)
        nodes = {node.uuid: node for node in found.values()}.values()

        def ask(node: Node) -> Row | None:
            return None if ended() else self._ask(node, operation, arguments, who)

        with ThreadPoolExecutor(max(1, min(self._at_once, len(nodes))), thread_name_prefix="ask") as pool:
            for done in as_completed([pool.submit(ask, node) for node in nodes]):
                if (row := done.result()) is not None:
                    yield row

    def _ask(self, node: Node, operation: Operation, arguments: Arguments, who: str) -> Row:
        try:
            if operation.announces is not None:
                self._announce(node, operation.announces(arguments), who)
            with self._bmcs.open(node) as bmc:
                return _row(node.name, node, result=operation.ask(bmc, arguments))
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
