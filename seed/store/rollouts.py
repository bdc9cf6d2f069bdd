"""Rollouts: which plan is being carried out, and how far each of its nodes is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from seed.model import Document, RunState
from seed.plans.plan import Options, Rollout, RolloutState, Row, RowState
from seed.store import tables
from seed.store.errors import NotFound

_ROLLOUT = tables.rollout.c
_ROW = tables.rollout_node.c
_HEAD = [column for column in _ROLLOUT if column.name != "plan"]
_OPEN = _ROLLOUT.state.in_((RolloutState.RUNNING, RolloutState.STOPPING))


class RolloutTable:
    """The rollouts and their nodes."""

    def __init__(self, connection: sa.Connection, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._clock = clock

    def open(self, who: str, options: Options, plan: Document, rows: Iterable[Mapping[str, Any]]) -> Rollout:
        """Write a new rollout down; `rows` give node, verbs and becomes, in the order of their turns."""
        made = self._connection.execute(
            sa.insert(tables.rollout).values(
                created_at=self._clock(),
                who=who,
                state=RolloutState.RUNNING,
                options=options.model_dump(),
                plan=plan,
            )
        ).inserted_primary_key
        if made is None:
            raise AssertionError("an inserted rollout has a number")
        plain = {"rollout": made[0], "cursor": 0, "state": RowState.PENDING}
        values = [{**plain, "position": at, **row} for at, row in enumerate(rows)]
        self._connection.execute(sa.insert(tables.rollout_node), values)
        return self.get(made[0])

    def get(self, number: int) -> Rollout:
        """Raises NotFound."""
        found = self._connection.execute(sa.select(*_HEAD).where(_ROLLOUT.id == number)).one_or_none()
        if found is None:
            raise NotFound(f"no rollout {number}; see `undercloud rollout list`")
        return _rollout(found)

    def all(self) -> list[Rollout]:
        """The newest first."""
        return [
            _rollout(row) for row in self._connection.execute(sa.select(*_HEAD).order_by(_ROLLOUT.id.desc()))
        ]

    def plan(self, number: int) -> Document:
        """The plan that was approved, without its site."""
        found = self._connection.execute(sa.select(_ROLLOUT.plan).where(_ROLLOUT.id == number)).scalar()
        if found is None:
            raise NotFound(f"no rollout {number}; see `undercloud rollout list`")
        return dict(found)

    def rows(self, number: int, states: Iterable[RowState] = (), most: int | None = None) -> list[Row]:
        """The nodes of a rollout in the order of their turns; `states`: those alone."""
        wanted = sa.select(tables.rollout_node).where(_ROW.rollout == number)
        if chosen := list(states):
            wanted = wanted.where(_ROW.state.in_(chosen))
        return [_row(row) for row in self._connection.execute(wanted.order_by(_ROW.position).limit(most))]

    def progress(self, number: int, states: Iterable[RowState] = ()) -> list[Document]:
        """The nodes of a rollout with their names, and what the newest run of each is doing, for people."""
        run, node = tables.run.c, tables.node.c
        wanted = (
            sa.select(
                tables.rollout_node,
                node.name,
                run.steps,
                run.cursor.label("step"),
                run.reason,
                run.created_at.label("since"),
            )
            .join(tables.node, node.uuid == _ROW.node, isouter=True)
            .join(tables.run, run.id == _ROW.run, isouter=True)
            .where(_ROW.rollout == number)
        )
        if chosen := list(states):
            wanted = wanted.where(_ROW.state.in_(chosen))
        return [_seen(row) for row in self._connection.execute(wanted.order_by(_ROW.position))]

    def counts(self, *numbers: int) -> dict[int, dict[RowState, int]]:
        """How many nodes of these rollouts are where; without numbers, of all."""
        counted = sa.select(_ROW.rollout, _ROW.state, sa.func.count()).group_by(_ROW.rollout, _ROW.state)
        if numbers:
            counted = counted.where(_ROW.rollout.in_(numbers))
        found: dict[int, dict[RowState, int]] = {}
        for number, state, count in self._connection.execute(counted):
            found.setdefault(number, dict.fromkeys(RowState, 0))[RowState(state)] = count
        return found

    def under_way(self) -> dict[str, int]:
        """The nodes that a rollout has, or is still to start, by UUID."""
        taken = (
            sa.select(_ROW.node, _ROW.rollout)
            .join(tables.rollout, _ROLLOUT.id == _ROW.rollout)
            .where(_OPEN, _ROW.state.in_((RowState.PENDING, RowState.RUNNING)))
        )
        return {row.node: row.rollout for row in self._connection.execute(taken)}

    def ended(self) -> list[tuple[Row, RunState | None, str | None]]:
        """Nodes whose verb has ended, and how and why; None: its run is gone, and so is the node."""
        run = tables.run.c
        over = (
            sa.select(tables.rollout_node, run.state.label("run_state"), run.reason.label("run_reason"))
            .join(tables.rollout, _ROLLOUT.id == _ROW.rollout)
            .join(tables.run, run.id == _ROW.run, isouter=True)
            .where(_OPEN, _ROW.state == RowState.RUNNING)
            .where(sa.or_(run.id.is_(None), run.finished_at.is_not(None)))
            .order_by(_ROW.rollout, _ROW.position)
        )
        return [
            (_row(found), RunState(found.run_state) if found.run_state else None, found.run_reason)
            for found in self._connection.execute(over)
        ]

    def save(self, row: Row) -> None:
        """Save where a node stands."""
        self._connection.execute(
            sa.update(tables.rollout_node)
            .where(_ROW.rollout == row.rollout, _ROW.position == row.position)
            .values(cursor=row.cursor, state=row.state, run=row.run, message=row.message)
        )

    def skip(self, number: int, message: str) -> None:
        """Nobody's turn comes any more."""
        self._connection.execute(
            sa.update(tables.rollout_node)
            .where(_ROW.rollout == number, _ROW.state == RowState.PENDING)
            .values(state=RowState.SKIPPED, message=message)
        )

    def move(self, number: int, state: RolloutState, reason: str | None, *, ended: bool = False) -> None:
        """Write where a rollout stands."""
        self._connection.execute(
            sa.update(tables.rollout)
            .where(_ROLLOUT.id == number)
            .values(state=state, reason=reason, finished_at=self._clock() if ended else None)
        )


def _rollout(row: Any) -> Rollout:
    values = dict(row._mapping)
    state, options = RolloutState(values["state"]), Options.model_validate(values["options"])
    return Rollout(**{**values, "state": state, "options": options})


def _seen(found: Any) -> Document:
    row = _row(found)
    seen = {**asdict(row), "name": found.name or row.node, "verb": None, "step": None, "since": None}
    if row.state is RowState.RUNNING and found.steps is not None:
        step = found.steps[found.step] if found.step < len(found.steps) else None
        seen |= {"verb": row.verbs[row.cursor], "step": step, "since": found.since, "message": found.reason}
    return seen


def _row(row: Any) -> Row:
    values = {column.name: row._mapping[column.name] for column in tables.rollout_node.c}
    return Row(**{**values, "verbs": tuple(values["verbs"]), "state": RowState(values["state"])})
