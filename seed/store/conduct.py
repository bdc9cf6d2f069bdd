"""What was learnt of each BMC, by the governor's key for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from seed.store import tables

Document = dict[str, Any]
_TABLE = tables.bmc_conduct


class ConductTable:
    """Documents as `hwdrivers.conduct.Conduct` writes them."""

    def __init__(self, connection: sa.Connection, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._clock = clock

    def all(self) -> dict[str, Document]:
        """Everything that is known."""
        rows = self._connection.execute(sa.select(_TABLE.c.bmc, _TABLE.c.body))
        return {row.bmc: row.body for row in rows}

    def put(
        self, documents: Mapping[str, Document], models: Mapping[str, tuple[str | None, str | None]]
    ) -> None:
        """Keep these in the place of older ones; `models`: vendor and model of BMCs, where known."""
        if not documents:
            return
        now = self._clock()
        rows = []
        for bmc, body in documents.items():
            vendor, model = models.get(bmc, (None, None))
            rows.append({"bmc": bmc, "vendor": vendor, "model": model, "body": body, "at": now})
        gone = sa.delete(_TABLE).where(_TABLE.c.bmc == sa.bindparam("old"))
        self._connection.execute(gone, [{"old": bmc} for bmc in documents])
        self._connection.execute(sa.insert(_TABLE), rows)
