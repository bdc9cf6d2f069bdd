"""What discoveries told last of each BMC, so that the next one can say what has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from seed.store import tables

_TABLE = tables.discovered
_AT_ONCE = 500  # addresses in one statement


@dataclass(frozen=True)
class Known:
    """A row as it was told, under the BMC's address."""

    bmc: str
    body: dict[str, Any]
    first_seen: datetime
    last_seen: datetime


class DiscoveredTable:
    """BMCs that discoveries found, by their address."""

    def __init__(self, connection: sa.Connection, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._clock = clock

    def all(self) -> dict[str, Known]:
        """Every BMC that was ever found and not forgotten."""
        rows = self._connection.execute(sa.select(_TABLE).order_by(_TABLE.c.bmc))
        return {row.bmc: Known(**row._mapping) for row in rows}

    def put(self, bmc: str, body: dict[str, Any], was: str | None = None) -> None:
        """Keep the row of a BMC that answered just now; `was`: the address that it was known by."""
        now = self._clock()
        seen = {"bmc": bmc, "body": body, "last_seen": now}
        if was is not None and was != bmc:
            self.forget([bmc])
        here = _TABLE.c.bmc == (was or bmc)
        if not self._connection.execute(sa.update(_TABLE).where(here).values(**seen)).rowcount:
            self._connection.execute(sa.insert(_TABLE).values(first_seen=now, **seen))

    def mark_gone(self, bmc: str, body: dict[str, Any]) -> None:
        """It did not answer; when it was seen last stays."""
        self.amend(bmc, body | {"gone": True})

    def amend(self, bmc: str, body: dict[str, Any]) -> None:
        """Change what is known of a BMC that was not seen now."""
        self._connection.execute(sa.update(_TABLE).where(_TABLE.c.bmc == bmc).values(body=body))

    def forget(self, bmcs: Iterable[str]) -> None:
        some = list(bmcs)
        for start in range(0, len(some), _AT_ONCE):
            part = some[start : start + _AT_ONCE]
            self._connection.execute(sa.delete(_TABLE).where(_TABLE.c.bmc.in_(part)))
