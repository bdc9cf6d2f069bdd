"""The power of many machines at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint, PowerState
from hwdrivers.errors import BMCError

Answer = tuple[Endpoint, PowerState | BMCError]


class Sweeps(Protocol):
    """Asks many BMCs for power; what it keeps open between two sweeps is its own affair."""

    def power(
        self, endpoints: Iterable[Endpoint], *, ended: Callable[[], bool] = lambda: False
    ) -> Iterator[Answer]:
        """One answer for each endpoint, as they come; `endpoints` is read as there is room for more.

        Once `ended`, it stops: who has not answered by then gets no answer.
        """

    def forget(self, address: BMCAddress) -> None:
        """Drop what is kept for one BMC: its session, and that it refused a password. Any thread may call."""

    def close(self) -> None:
        """Log out everywhere; never raises."""
