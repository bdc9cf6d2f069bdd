"""How an answer of a step moves a run and its node: the only place that writes a node's provision state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import assert_never

from seed.lifecycle import Lifecycle, Transition
from seed.model import Node, Run, RunState
from seed.step import Complete, Failed, Result, Waiting
from seed.store import Transaction

ATTEMPTS = 4
SEEN = ("boot.", "agent.", "power.")  # events that tell where a machine got to


class Advance:
    """Writes answers down: the run, the node and the events of one answer in one transaction."""

    def __init__(
        self, lifecycle: Lifecycle, clock: Callable[[], datetime], jitter: Callable[[], float]
    ) -> None:
        self._lifecycle = lifecycle
        self._clock = clock
        self._jitter = jitter

    def record(self, tx: Transaction, run: Run, result: Result) -> None:
        """Save what a step of `run` answered."""
        match result:
            case Complete():
                self._complete(tx, run, result)
            case Waiting():
                self._wait(tx, run, result)
            case Failed():
                self._fail(tx, run, result)
            case _:
                assert_never(result)

    def end(self, tx: Transaction, run: Run, state: RunState, reason: str | None) -> None:
        """Close a run for good."""
        tx.runs.save(run.id, state=state, reason=reason, finished_at=self._clock(), memo={})
        tx.events.add(f"run.{state}", f"{run.verb}: {reason or state}", node=run.node, run=run.id)

    def move(self, tx: Transaction, node: Node, edge: Transition, run: int | None, who: str) -> None:
        """Take a node along an edge of the graph; raises Conflict when it is not at its source any more."""
        tx.nodes.move(node, edge.target, edge.return_to)
        tx.events.add(
            "state", f"{edge.source} → {edge.target} ({edge.event})", node=node.uuid, run=run, who=who
        )

    def _complete(self, tx: Transaction, run: Run, result: Complete) -> None:
        now = self._clock()
        seconds = (now - run.step_started_at).total_seconds()
        tx.events.add(
            "step.complete",
            f"{run.step}: {result.note}",
            node=run.node,
            run=run.id,
            step=run.step,
            seconds=seconds,
        )
        if result.facts:
            tx.nodes.update(run.node, **result.facts)
        self._move_by(tx, run, "resume", only_if_possible=True)
        if result.event:
            self._move_by(tx, run, result.event)
        if run.cursor + 1 < len(run.steps):
            tx.runs.save(
                run.id,
                cursor=run.cursor + 1,
                state=RunState.READY,
                attempt=0,
                reason=None,
                step_started_at=now,
                wake_at=now,
                memo={},
            )
        else:
            self._move_by(tx, run, "done")
            self.end(tx, run, RunState.DONE, None)

    def _wait(self, tx: Transaction, run: Run, result: Waiting) -> None:
        if result.facts:
            tx.nodes.update(run.node, **result.facts)
        self._move_by(tx, run, "wait", only_if_possible=True)
        if result.reason != run.reason:
            tx.events.add(
                "step.waiting", f"{run.step}: {result.reason}", node=run.node, run=run.id, step=run.step
            )
        tx.runs.save(
            run.id,
            state=RunState.WAITING,
            reason=result.reason,
            wake_at=self._clock() + result.poll,
            attempt=0,
            memo=run.memo,
        )

    def _fail(self, tx: Transaction, run: Run, result: Failed) -> None:
        attempt = run.attempt + 1
        if result.retryable and attempt < ATTEMPTS:
            pause = timedelta(seconds=2**attempt * (0.5 + self._jitter()))
            tx.events.add(
                "step.retry",
                f"{run.step}: {result.reason} (attempt {attempt} of {ATTEMPTS}, again in {duration(pause)})",
                node=run.node,
                run=run.id,
            )
            tx.runs.save(
                run.id, attempt=attempt, reason=result.reason, wake_at=self._clock() + pause, memo=run.memo
            )
            return
        seen = tx.events.latest(run.node, prefixes=SEEN)
        last = f"; last seen {seen.at:%H:%M:%S} UTC: {seen.message}" if seen else ""
        message = f"{run.step}: {result.reason}{last}"
        tx.events.add("step.failed", message, node=run.node, run=run.id, step=run.step)
        tx.nodes.update(run.node, last_error=message, **result.facts)
        self._move_by(tx, run, "fail")
        self.end(tx, run, RunState.FAILED, message)

    def _move_by(self, tx: Transaction, run: Run, event: str, *, only_if_possible: bool = False) -> None:
        node = tx.nodes.get(run.node)
        if only_if_possible and not self._lifecycle.allows(node.state, event):
            return
        self.move(tx, node, self._lifecycle.follow(node.state, event), run.id, "conductor")


def duration(span: timedelta) -> str:
    """In words, to the second or the minute."""
    seconds = span.total_seconds()
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
