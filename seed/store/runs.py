"""Runs: who walks where, and how far. A run that is not written down does not exist."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from seed.model import Intent, Run, RunState
from seed.store import tables
from seed.store.errors import Conflict, LeaseLost, NotFound

_RUN = tables.run.c
_COLUMNS = [_RUN[field.name] for field in fields(Run)]
SLOTS = 0x51075  # the advisory lock of who counts slots (PostgreSQL)
_CLAIMABLE = (RunState.READY.value, RunState.WAITING.value)
_SAVED = tuple(field.name for field in fields(Run) if field.name not in ("id", "node", "created_at"))
_SAVE = (
    sa.update(tables.run)
    .where(_RUN.id == sa.bindparam("run_id"))
    .values({name: sa.bindparam(f"new_{name}") for name in (*_SAVED, "lease", "lease_until")})
)


@dataclass(frozen=True)
class Claimed:
    """A run that is ours for now; `left_by` is the seed that had it and fell silent."""

    run: Run
    left_by: str | None


class Runs:
    """The walks of verbs on nodes."""

    def __init__(
        self,
        connection: sa.Connection,
        clock: Callable[[], datetime],
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        """`announce` tells the other seeds that there may be a run for them."""
        self._connection = connection
        self._clock = clock
        self._announce = announce

    def new(
        self,
        node: str,
        verb: str,
        who: str,
        steps: Sequence[str],
        *,
        return_to: str | None = None,
        args: Mapping[str, Any] | None = None,
        needs: str | None = None,
        rollout: int | None = None,
    ) -> Run:
        """A run that is due now; it has no number before it is written down."""
        now = self._clock()
        return Run(
            id=0,
            node=node,
            verb=verb,
            who=who,
            steps=tuple(steps),
            return_to=return_to,
            state=RunState.READY,
            cursor=0,
            attempt=0,
            step_started_at=now,
            wake_at=now,
            created_at=now,
            args=dict(args or {}),
            needs=needs,
            rollout=rollout,
        )

    def open(self, run: Run) -> Run:
        """Write a new run down; raises Conflict when the node has a live one."""
        live = self.live(run.node)
        if live is not None:
            raise Conflict(f"run {live.id} ({live.verb}) is under way on this node")
        return self.open_all([run])[run.node]

    def open_all(self, runs: Sequence[Run]) -> dict[str, Run]:
        """Write down runs of nodes that have no live one; returns them with their numbers, by node."""
        self._announce()
        columns = (*_SAVED, "node", "created_at")
        rows = [{name: getattr(run, name) for name in columns} for run in runs]
        if not rows:
            return {}
        self._connection.execute(sa.insert(tables.run), rows)
        return self.live_on([run.node for run in runs])

    def get(self, run_id: int) -> Run:
        run = self._find(_RUN.id == run_id)
        if run is None:
            raise NotFound(f"no run {run_id}")
        return run

    def live(self, node: str) -> Run | None:
        """The run that is under way on a node."""
        return self._find(_RUN.node == node, tables.UNDER_WAY)

    def live_on(self, nodes: Sequence[str]) -> dict[str, Run]:
        """The runs that are under way on these nodes, by node."""
        return {run.node: run for run in self._all(tables.UNDER_WAY, _RUN.node.in_(nodes))}

    def all_live(self) -> dict[str, Run]:
        """The runs that are under way, by node."""
        return {run.node: run for run in self._all(tables.UNDER_WAY)}

    def under_way(self) -> dict[int, str]:
        """The nodes of all runs that are under way, by the run's number."""
        rows = sa.select(_RUN.id, _RUN.node).where(tables.UNDER_WAY).order_by(_RUN.id)
        return {row.id: row.node for row in self._connection.execute(rows)}

    def of_node(self, node: str) -> list[Run]:
        """All runs of a node, oldest first."""
        return self._all(_RUN.node == node)

    # -- who has a run -----------------------------------------------------------------------------

    def claim(
        self, seed: str, until: datetime, most: int, slots: Mapping[str, int] | None = None
    ) -> list[Claimed]:
        """Take up to `most` runs that are due, those that waited longest first, until `until`.

        `slots`: how many runs may be at a step with that need at once; a need that is not named is not
        limited. A node in maintenance is left alone. Seeds that claim at once skip each other's rows.
        """
        claimed = self._due(most, _has_what_it_needs(slots or {}))
        for need, limit in (slots or {}).items():
            if len(claimed) < most:
                claimed += self._with_slot(need, limit, most - len(claimed))
        self._update([each.run.id for each in claimed], lease=seed, lease_until=until)
        return claimed

    def _due(self, most: int, *criteria: sa.ColumnElement[bool]) -> list[Claimed]:
        now = self._clock()
        free = sa.or_(_RUN.lease.is_(None), _RUN.lease_until <= now)
        due = (
            sa.select(*_COLUMNS, _RUN.lease)
            .join(tables.node, tables.node.c.uuid == _RUN.node)
            .where(tables.UNDER_WAY, _RUN.wake_at <= now, _RUN.state.in_(_CLAIMABLE), free, *criteria)
            .where(sa.not_(tables.node.c.maintenance))
            .order_by(_RUN.wake_at, _RUN.id)
            .limit(most)
            .with_for_update(of=tables.run, skip_locked=True)
        )
        return [Claimed(_run(row), row.lease) for row in self._connection.execute(due)]

    def _with_slot(self, need: str, limit: int, most: int) -> list[Claimed]:
        """Runs that stand before a step with this need, as far as there is room for them."""
        if not self._hands_out_slots():
            return []
        taken = sa.select(sa.func.count()).where(tables.UNDER_WAY, _RUN.needs == need, _RUN.slot)
        room = limit - (self._connection.execute(taken).scalar() or 0)
        due = self._due(min(room, most), _RUN.needs == need, sa.not_(_RUN.slot)) if room > 0 else []
        got: dict[str, Any] = {"slot": True, "step_started_at": self._clock()}  # its step begins now
        self._update([each.run.id for each in due], **got)
        return [Claimed(replace(each.run, **got), each.left_by) for each in due]

    def _update(self, ids: Sequence[int], **values: Any) -> None:
        if ids:
            self._connection.execute(sa.update(tables.run).where(_RUN.id.in_(ids)).values(**values))

    def _hands_out_slots(self) -> bool:
        """Only one seed at a time counts slots; the others look again later (PostgreSQL)."""
        if self._connection.dialect.name != "postgresql":
            return True
        return bool(self._connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(SLOTS))).scalar())

    def held(self, seed: str, runs: Iterable[Run]) -> dict[int, Run]:
        """Those of these runs that `seed` still has, with what others may have changed of them meanwhile."""
        known = {run.id: run for run in runs}
        others = (_RUN.id, _RUN.cursor, _RUN.wake_at, _RUN.intent, _RUN.intent_by)
        mine = sa.select(*others).where(_RUN.id.in_(list(known)), _RUN.lease == seed, tables.UNDER_WAY)
        found = {}
        for row in self._connection.execute(mine.with_for_update()):
            intent = Intent(row.intent) if row.intent else None
            changed = {"wake_at": row.wake_at, "intent": intent, "intent_by": row.intent_by}
            if row.cursor == known[row.id].cursor:
                found[row.id] = replace(known[row.id], **changed)
        return found

    def renew(self, seed: str, until: datetime, ids: Sequence[int]) -> None:
        """Keep those of these runs that `seed` has."""
        mine = sa.update(tables.run).where(tables.UNDER_WAY, _RUN.lease == seed, _RUN.id.in_(ids))
        self._connection.execute(mine.values(lease_until=until))

    def take_back(self, seed: str) -> list[Run]:
        """Free what `seed` had when it ended; its step gets its whole time again."""
        left = self._all(tables.UNDER_WAY, _RUN.lease == seed)
        self._connection.execute(
            sa.update(tables.run)
            .where(tables.UNDER_WAY, _RUN.lease == seed)
            .values(lease=None, lease_until=None, wake_at=self._clock(), deadline=None)
        )
        return left

    def excuse(self) -> None:
        """No seed was there: look at every run now, and give its step its whole time again."""
        self._connection.execute(
            sa.update(tables.run)
            .where(tables.UNDER_WAY, _RUN.lease.is_(None))
            .values(wake_at=self._clock(), deadline=None)
        )

    # -- how far it is -----------------------------------------------------------------------------

    def save(self, runs: Iterable[Run], keep: Mapping[int, tuple[str, datetime]] | None = None) -> None:
        """Save where runs stand and give them back, but for those that `keep` names a holder for."""
        nobody: tuple[str | None, datetime | None] = (None, None)
        rows = []
        for run in runs:
            lease, until = (keep or {}).get(run.id, nobody)
            row = {f"new_{name}": getattr(run, name) for name in _SAVED}
            rows.append({**row, "run_id": run.id, "new_lease": lease, "new_lease_until": until})
            if lease is None and (run.finished_at or run.state is RunState.READY):
                self._announce()  # it can be claimed, or what it had of a limited need can
        if rows:
            self._connection.execute(_SAVE, rows)

    def is_held(self, run_id: int) -> bool:
        """Whether a seed is executing the run's step now."""
        held = sa.select(_RUN.id).where(_RUN.id == run_id, _RUN.lease_until > self._clock())
        return self._connection.execute(held).scalar() is not None

    def intend(self, run_id: int, intent: Intent, who: str) -> None:
        """What is to become of the run once its present step is done."""
        self._connection.execute(
            sa.update(tables.run).where(_RUN.id == run_id).values(intent=intent, intent_by=who)
        )

    def remember(self, run: Run, seed: str) -> None:
        """Save what a step must not forget, while it goes on; raises LeaseLost."""
        values = {"memo": run.memo}
        mine = sa.update(tables.run).where(_RUN.id == run.id, _RUN.lease == seed, tables.UNDER_WAY)
        if self._connection.execute(mine.values(**values)).rowcount != 1:
            raise LeaseLost(run.id)

    def wake(self, node: str, *, anew: bool = False) -> None:
        """What the node's run waits for may have happened: look at it now.

        `anew`: its step gets its whole time again, since nobody could have done it meanwhile.
        """
        self._announce()
        values: dict[str, Any] = {"wake_at": self._clock(), **({"deadline": None} if anew else {})}
        self._connection.execute(
            sa.update(tables.run)
            .where(_RUN.node == node, tables.UNDER_WAY, _RUN.state != RunState.HELD)
            .values(values)
        )

    def stand_still(self, node: str) -> None:
        """The node's run keeps no slot while it stands still; it takes its turn again when it goes on."""
        self._connection.execute(
            sa.update(tables.run).where(_RUN.node == node, tables.UNDER_WAY).values(slot=False)
        )

    def next_wake(self, limited: Iterable[str] = ()) -> datetime | None:
        """When the next run can be claimed: when it is due, and its lease, if one holds it, has run out.

        A run that waits for a slot of a `limited` need is claimed when one is free; one whose node is in
        maintenance, when that ends.
        """
        due, held = _RUN.wake_at, _RUN.lease_until
        free_at = sa.case((held > due, held), else_=due)
        claimable = (tables.UNDER_WAY, _RUN.state.in_(_CLAIMABLE), sa.not_(tables.node.c.maintenance))
        earliest = (
            sa.select(sa.func.min(free_at))
            .join(tables.node, tables.node.c.uuid == _RUN.node)
            .where(*claimable, sa.or_(_has_what_it_needs(limited), free_at > self._clock()))
        )
        return self._connection.execute(earliest).scalar()

    def _find(self, *criteria: sa.ColumnElement[bool]) -> Run | None:
        row = self._connection.execute(sa.select(*_COLUMNS).where(*criteria)).one_or_none()
        return _run(row) if row else None

    def _all(self, *criteria: sa.ColumnElement[bool]) -> list[Run]:
        statement = sa.select(*_COLUMNS).where(*criteria).order_by(_RUN.id)
        return [_run(row) for row in self._connection.execute(statement)]


def _has_what_it_needs(limited: Iterable[str]) -> sa.ColumnElement[bool]:
    return sa.or_(_RUN.needs.is_(None), _RUN.slot, _RUN.needs.not_in(list(limited)))


def _run(row: Any) -> Run:
    values = {name: row._mapping[name] for name in (*_SAVED, "id", "node", "created_at")}
    intent = Intent(values["intent"]) if values["intent"] else None
    state = RunState(values["state"])
    return Run(**{**values, "steps": tuple(values["steps"]), "state": state, "intent": intent})
