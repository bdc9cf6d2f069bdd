"""Everything that happens, appended; history, progress and audit are readers of this one table."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from seed.model import Event
from seed.store import tables

_EVENT = tables.event.c


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

    def after(self, last: int, *, node: str | None = None, kind: str = "", limit: int = 1000) -> list[Event]:
        """Events newer than event `last`, oldest first; of one node, and of kinds that begin so, if given."""
        newer = _chosen(node, kind).where(_EVENT.id > last).order_by(_EVENT.id)
        return self._read(newer.limit(limit))

    def newest(
        self, count: int, *, node: str | None = None, kind: str = "", before: int | None = None
    ) -> list[Event]:
        """The last `count` of these events, oldest first; of those older than event `before`, if given."""
        wanted = _chosen(node, kind)
        if before is not None:
            wanted = wanted.where(_EVENT.id < before)
        return self._read(wanted.order_by(_EVENT.id.desc()).limit(count))[::-1]

    def of_no_node(self, kind: str, since: datetime, count: int, looked_at: int) -> list[Event]:
        """The newest `count` of those about no node among the `looked_at` newest events, oldest first."""
        wanted = sa.select(tables.event).where(
            _EVENT.id > self.newest_id() - looked_at,
            _EVENT.node.is_(None),
            _EVENT.kind == kind,
            _EVENT.at >= since,
        )
        return self._read(wanted.order_by(_EVENT.id.desc()).limit(count))[::-1]

    def newest_at(self, address: str, kind: str, looked_at: int) -> str | None:
        """The node of the newest event of this kind that tells this address, among the `looked_at` newest."""
        wanted = sa.select(_EVENT.node).where(
            _EVENT.id > self.newest_id() - looked_at,
            _EVENT.kind == kind,
            _EVENT.data["address"].as_string() == address,
        )
        return self._connection.execute(wanted.order_by(_EVENT.id.desc()).limit(1)).scalar()

    def moments(self, kinds: Collection[str], looked_at: int) -> list[tuple[str, str, datetime]]:
        """(node, kind, at) of these kinds among the `looked_at` newest events of all nodes, oldest first."""
        columns = (_EVENT.node, _EVENT.kind, _EVENT.at)
        wanted = sa.select(*columns).where(
            _EVENT.id > self.newest_id() - looked_at, _EVENT.kind.in_(kinds), _EVENT.node.is_not(None)
        )
        return [(row[0], row[1], row[2]) for row in self._connection.execute(wanted.order_by(_EVENT.id))]

    def _read(self, statement: sa.Select[Any]) -> list[Event]:
        self.flush()
        return [Event(**row._mapping) for row in self._connection.execute(statement)]

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


def _chosen(node: str | None, kind: str) -> sa.Select[Any]:
    wanted = sa.select(tables.event)
    if node is not None:
        wanted = wanted.where(_EVENT.node == node)
    return wanted.where(_EVENT.kind.startswith(kind, autoescape=True)) if kind else wanted
