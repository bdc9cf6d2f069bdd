"""The BMC of a node, opened for the length of one step, or of one look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BMC, Endpoint
from hwdrivers.credentials import Credentials
from seed.model import Node
from seed.store import Store


class BMCs:
    """Opens BMCs with the credentials that the store has for them."""

    def __init__(self, store: Store, connect: Callable[[Endpoint], BMC]) -> None:
        self._store = store
        self._connect = connect

    def open(self, node: Node) -> AbstractContextManager[BMC]:
        """A conversation with the node's BMC; raises BMCError, or NotFound for its credentials."""
        with self._store.read() as tx:
            credentials = tx.credentials.get(node.credentials)
        return self.log_in(node.bmc, credentials)

    @contextmanager
    def log_in(self, address: str, credentials: Credentials) -> Iterator[BMC]:
        """A conversation with the BMC at that address; raises BMCError."""
        bmc = self._connect(Endpoint(BMCAddress.parse(address), credentials))
        try:
            yield bmc
        finally:
            bmc.close()
