"""What runs of the past tell: how long verbs take, and which run of a node was the last."""

from __future__ import annotations

import sqlalchemy as sa

from seed.model import RunState
from seed.store import tables

_RUN = tables.run.c
LOOKED_AT = 5000  # runs, so that it costs the same after years
FOR_EACH = 200  # of one verb: the rack as it is now, not as it was when it was new


class History:
    """Reads finished runs; changes nothing."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def spans(self) -> dict[str, list[float]]:
        """The seconds that the newest runs took that were done, by verb."""
        newest = (
            sa.select(_RUN.verb, _RUN.created_at, _RUN.finished_at)
            .where(_RUN.state == RunState.DONE)
            .order_by(_RUN.id.desc())
            .limit(LOOKED_AT)
        )
        spans: dict[str, list[float]] = {}
        for verb, began, ended in self._connection.execute(newest):
            taken = spans.setdefault(verb, [])
            if len(taken) < FOR_EACH:
                taken.append((ended - began).total_seconds())
        return spans

    def newest_runs(self) -> dict[str, int]:
        """The number of each node's last run, by node."""
        newest = sa.select(_RUN.node, sa.func.max(_RUN.id)).group_by(_RUN.node)
        return {row[0]: row[1] for row in self._connection.execute(newest)}
