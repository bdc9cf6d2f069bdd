"""Stop between two steps until an operator lets the run go on (Ironic's reserved step `hold`)."""

from __future__ import annotations

from datetime import timedelta

from seed.step import Complete, Result, Waiting, Walk
from seed.store import Store


class Hold:
    """Held once: the journal tells whether that was, since it is written together with the hold."""

    name = "hold"
    timeout = timedelta(minutes=1)
    abortable = True
    needs: str | None = None

    def __init__(self, store: Store) -> None:
        self._store = store

    def execute(self, walk: Walk) -> Result:
        with self._store.read() as tx:
            last = tx.events.latest(walk.node.uuid, prefixes=("run.held", "step.complete"))
        if last is not None and last.kind == "run.held" and last.run == walk.run.id:
            return Complete("an operator let it go on")
        return Waiting("held, as the steps ask", poll=None)
