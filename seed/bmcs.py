"""The BMC of a node, opened for the length of one step, or of one look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BMC, Endpoint
from seed.store import Store


class HasBMC(Protocol):
    """What is to be known of a node to speak to its BMC."""

    @property
    def bmc(self) -> str: ...

    @property
    def credentials(self) -> str: ...


class BMCs:
    """Opens BMCs with the credentials that the store has for them."""

    def __init__(self, store: Store, connect: Callable[[Endpoint], BMC]) -> None:
        self._store = store
        self._connect = connect

    @contextmanager
    def open(self, node: HasBMC) -> Iterator[BMC]:
        """A conversation with the node's BMC; raises BMCError, or NotFound for its credentials."""
        with self._store.read() as tx:
            credentials = tx.credentials.get(node.credentials)
        bmc = self._connect(Endpoint(BMCAddress.parse(node.bmc), credentials))
        try:
            yield bmc
        finally:
            bmc.close()
