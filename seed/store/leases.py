"""What only one may do at a time, for as long as it says that it is alive."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from seed.store import tables

_LEASE = tables.lease.c
SEED = "seed:"  # before the name of each seed that lives
NETWORK = "network"  # who answers machines


class Leases:
    """Named leases: of the seeds that live, and of the parts that one of them plays."""

    def __init__(self, connection: sa.Connection, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._clock = clock

    def take(self, name: str, holder: str, until: datetime) -> bool:
        """Whether `holder` has the lease until then: it was free, ran out, or was its own already."""
        if self.holder(name) not in (None, holder):
            return False
        self._connection.execute(sa.delete(tables.lease).where(_LEASE.name == name))
        self._connection.execute(sa.insert(tables.lease).values(name=name, holder=holder, until=until))
        return True

    def holder(self, name: str) -> str | None:
        """Who has the lease now."""
        current = sa.select(_LEASE.holder).where(_LEASE.name == name, _LEASE.until > self._clock())
        return self._connection.execute(current).scalar()

    def give_up(self, name: str, holder: str) -> None:
        self._connection.execute(sa.delete(tables.lease).where(_LEASE.name == name, _LEASE.holder == holder))

    def seeds(self) -> list[str]:
        """The seeds that live."""
        alive = sa.select(_LEASE.holder).where(_LEASE.name.startswith(SEED), _LEASE.until > self._clock())
        return sorted(self._connection.execute(alive).scalars())
