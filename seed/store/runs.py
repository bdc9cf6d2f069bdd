"""Runs: who walks where, and how far. A run that is not written down does not exist."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from seed.model import Run, RunState
from seed.store import tables
from seed.store.errors import Conflict, NotFound

LIVE = (RunState.READY.value, RunState.WAITING.value)
_COLUMNS = [column for column in tables.run.c if not column.name.startswith("lease")]


class Runs:
    """The walks of verbs on nodes."""

    def __init__(self, connection: sa.Connection, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._clock = clock

    def open(
        self,
        node: str,
        verb: str,
        who: str,
        steps: tuple[str, ...],
        return_to: str | None,
        memo: dict[str, Any],
    ) -> Run:
        """Write a new run down; raises Conflict when the node has a live one."""
        live = self.live(node)
        if live is not None:
            raise Conflict(f"run {live.id} ({live.verb}) is under way on this node")
        now = self._clock()
        inserted = self._connection.execute(
            sa.insert(tables.run).values(
                node=node,
                verb=verb,
                who=who,
                steps=list(steps),
                return_to=return_to,
                state=RunState.READY,
                cursor=0,
                attempt=0,
                step_started_at=now,
                wake_at=now,
                created_at=now,
                memo=memo,
            )
        )
        row = inserted.inserted_primary_key
        if row is None:
            raise AssertionError("an inserted run has a number")
        return self.get(row[0])

    def get(self, run_id: int) -> Run:
        run = self._find(tables.run.c.id == run_id)
        if run is None:
            raise NotFound(f"no run {run_id}")
        return run

    def live(self, node: str) -> Run | None:
        """The run that is under way on a node."""
        return self._find(tables.run.c.node == node, tables.run.c.state.in_(LIVE))

    def of_node(self, node: str) -> list[Run]:
        """All runs of a node, oldest first."""
        statement = sa.select(*_COLUMNS).where(tables.run.c.node == node).order_by(tables.run.c.id)
        return [_run(row) for row in self._connection.execute(statement)]

    def claim(self, worker: str, now: datetime, lease: timedelta) -> Run | None:
        """Take the run that has been due for longest, for `lease`; None when nothing is due."""
        free = sa.or_(tables.run.c.lease.is_(None), tables.run.c.lease_until <= now)
        due = (
            sa.select(tables.run.c.id)
            .where(tables.run.c.state.in_(LIVE), tables.run.c.wake_at <= now, free)
            .order_by(tables.run.c.wake_at)
            .limit(1)
        )
        run_id = self._connection.execute(due).scalar()
        if run_id is None:
            return None
        self._update(run_id, lease=worker, lease_until=now + lease)
        return self.get(run_id)

    def save(self, run_id: int, **values: Any) -> None:
        """Save where a run stands and give it back."""
        self._update(run_id, lease=None, lease_until=None, **values)

    def remember(self, run_id: int, memo: dict[str, Any]) -> None:
        """Save what a step must not forget, while it goes on."""
        self._update(run_id, memo=memo)

    def wake(self, node: str) -> None:
        """What the node's run waits for may have happened: look at it now."""
        self._connection.execute(
            sa.update(tables.run)
            .where(tables.run.c.node == node, tables.run.c.state.in_(LIVE))
            .values(wake_at=self._clock())
        )

    def next_wake(self) -> datetime | None:
        """When the next run can be claimed: when it is due, and its lease, if one holds it, has run out."""
        due, held = tables.run.c.wake_at, tables.run.c.lease_until
        free_at = sa.case((held > due, held), else_=due)
        earliest = sa.select(sa.func.min(free_at)).where(tables.run.c.state.in_(LIVE))
        return self._connection.execute(earliest).scalar()

    def release(self) -> list[Run]:
        """Make every run that is under way free and due; the caller knows that no other worker is alive.

        Its step gets its whole time again: while no seed ran, none could see that it was done.
        """
        now = self._clock()
        live = self._connection.execute(sa.select(*_COLUMNS).where(tables.run.c.state.in_(LIVE))).all()
        self._connection.execute(
            sa.update(tables.run)
            .where(tables.run.c.state.in_(LIVE))
            .values(lease=None, lease_until=None, wake_at=now, step_started_at=now)
        )
        return [_run(row) for row in live]

    def _find(self, *criteria: sa.ColumnElement[bool]) -> Run | None:
        row = self._connection.execute(sa.select(*_COLUMNS).where(*criteria)).one_or_none()
        return _run(row) if row else None

    def _update(self, run_id: int, **values: Any) -> None:
        self._connection.execute(sa.update(tables.run).where(tables.run.c.id == run_id).values(**values))


def _run(row: Any) -> Run:
    values = dict(row._mapping)
    return Run(**{**values, "steps": tuple(values["steps"]), "state": RunState(values["state"])})
