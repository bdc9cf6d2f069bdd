"""Everything that happens, appended; history, progress and audit are readers of this one table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from seed.model import Event
from seed.store import tables


class Events:
    """The append-only event table."""

    def __init__(self, connection: sa.Connection, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._clock = clock
        self._pending: list[dict[str, Any]] = []

    def add(
        self, kind: str, message: str, *, node: str | None = None, run: int | None = None, **data: Any
    ) -> None:
        """Append what happened just now; it is written with the transaction."""
        row = {"at": self._clock(), "kind": kind, "message": message, "node": node, "run": run, "data": data}
        self._pending.append(row)

    def flush(self) -> None:
        """Write what was appended, in one statement."""
        if self._pending:
            self._connection.execute(sa.insert(tables.event), self._pending)
            self._pending = []

    def after(self, last: int, *, node: str | None = None, limit: int = 1000) -> list[Event]:
        """Events newer than event `last`, oldest first."""
        self.flush()
        statement = sa.select(tables.event).where(tables.event.c.id > last)
        if node is not None:
            statement = statement.where(tables.event.c.node == node)
        rows = self._connection.execute(statement.order_by(tables.event.c.id).limit(limit))
        return [Event(**row._mapping) for row in rows]

    def latest(self, node: str, *, prefixes: tuple[str, ...]) -> Event | None:
        """The newest event of a node whose kind starts with one of `prefixes`."""
        self.flush()
        wanted = sa.or_(*(tables.event.c.kind.startswith(prefix) for prefix in prefixes))
        statement = sa.select(tables.event).where(tables.event.c.node == node, wanted)
        row = self._connection.execute(statement.order_by(tables.event.c.id.desc()).limit(1)).one_or_none()
        return Event(**row._mapping) if row else None

    def newest_id(self) -> int:
        self.flush()
        return self._connection.execute(sa.select(sa.func.max(tables.event.c.id))).scalar() or 0
