"""How an answer of a step moves a run and its node. Nothing is written here: `seed.record` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from pxe.milestones import StepFault
from seed.lifecycle import Lifecycle, Transition
from seed.model import Intent, Run, RunState, Standing
from seed.step import Complete, Failed, Result, Step, Waiting

LONGEST_PAUSE = timedelta(minutes=1)


@dataclass
class Change:
    """What an answer makes of a run, of where its node stands, and of what is known about the node."""

    run: Run
    node: Standing
    target_state: str | None = None
    moved: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def say(self, kind: str, message: str, **data: Any) -> None:
        known = {name: value for name, value in data.items() if value is not None}
        self.events.append((kind, message, known))

    def follow(self, edge: Transition, who: str) -> None:
        """Take the node along an edge of the graph; a run that returns elsewhere than the edge says wins."""
        self.say("state", f"{edge.source} → {edge.target} ({edge.event})", who=who)
        self.node = replace(self.node, state=edge.target)
        self.target_state = (self.run.return_to or edge.return_to) if edge.return_to else None
        self.moved = True

    def end(self, state: RunState, reason: str | None, now: datetime) -> None:
        """Close the run for good."""
        self.say(f"run.{state}", f"{self.run.verb}: {reason or state}")
        self.run = replace(self.run, state=state, reason=reason, finished_at=now, memo={}, slot=False)


class Advance:
    """The one place that decides where a run and its node go next."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        step_named: Callable[[str], Step | None],
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
    ) -> None:
        self._lifecycle = lifecycle
        self.step_named = step_named
        self._clock = clock
        self._jitter = jitter

    def answer(self, run: Run, node: Standing, result: Result, last_words: Callable[[Failed], str]) -> Change:
        """What follows from a step's answer; `last_words` tells what is known beside a failure's reason."""
        change = Change(run, node)
        match result:
            case Complete():
                self._complete(change, result)
            case Waiting():
                self._wait(change, result, last_words)
            case Failed():
                self._fail(change, result, last_words)
            case _:
                assert_never(result)
        return change

    def abort(self, run: Run, node: Standing, who: str) -> Change:
        """Give up now: by the graph's `abort`, or its `fail` where that is the way out."""
        change = Change(run, node)
        self._abort(change, who)
        return change

    def _complete(self, change: Change, result: Complete) -> None:
        run, now = change.run, self._clock()
        seconds = (now - run.step_started_at).total_seconds()
        change.say("step.complete", f"{run.step}: {result.note}", step=run.step, seconds=seconds)
        change.facts |= result.facts
        self._go(change, "resume", if_possible=True)
        if result.event:
            self._go(change, result.event)
        done = run.cursor + 1
        steps = (*run.steps[:done], *result.then, *run.steps[done:])
        if done == len(steps):
            self._go(change, self._arrival(change))
            change.end(RunState.DONE, None, now)
            return
        change.run = self._before(replace(run, steps=steps, args=run.args | result.args), done)
        if run.intent is Intent.ABORT:
            self._abort(change, run.intent_by or "an operator")
        elif run.intent is Intent.HOLD:
            self._hold(change, f"held by {run.intent_by}")

    def again(self, run: Run) -> Run:
        """The run when its present step is to be looked at now, with its whole time before it."""
        return replace(run, state=RunState.READY, reason=None, wake_at=self._clock(), deadline=None)

    def _before(self, run: Run, cursor: int) -> Run:
        """The run as it stands before its step number `cursor`."""
        run = replace(self.again(run), cursor=cursor, attempt=0, memo={}, step_started_at=self._clock())
        step = self.step_named(run.step or "")
        return replace(run, needs=step.needs if step else None, slot=False)

    def _wait(self, change: Change, result: Waiting, last_words: Callable[[Failed], str]) -> None:
        run, now, step = change.run, self._clock(), self.step_named(change.run.step or "")
        if step is None:
            raise AssertionError("a step that answered is there")
        change.facts |= result.facts
        if run.intent is Intent.ABORT and step.abortable:
            self._abort(change, run.intent_by or "an operator")
            return
        deadline = run.deadline or now + step.timeout
        if result.poll is not None and now > deadline:
            late = f"not done after {duration(step.timeout)}; it waited for {result.reason}"
            self._fail(change, Failed(late, fault=StepFault.IN_VAIN), last_words)
            return
        self._go(change, "wait", if_possible=True)
        if result.reason != run.reason:
            change.say("step.waiting", f"{run.step}: {result.reason}", step=run.step)
        change.run = replace(
            run,
            state=RunState.WAITING,
            reason=result.reason,
            attempt=0,
            deadline=deadline,
            wake_at=now + (result.poll or timedelta()),
        )
        if result.poll is None:
            self._hold(change, result.reason)

    def _fail(self, change: Change, result: Failed, last_words: Callable[[Failed], str]) -> None:
        run, attempt = change.run, change.run.attempt + 1
        change.facts |= result.facts
        if result.retryable and attempt < result.attempts and run.intent is not Intent.ABORT:
            self._retry(change, result, attempt)
            return
        message = f"{run.step}: {result.reason}{last_words(result)}"
        change.say("step.failed", message, step=run.step, reason=result.reason, fault=result.fault)
        self._break_off(change, message)
        self._go(change, "fail")
        change.end(RunState.FAILED, message, self._clock())

    def _retry(self, change: Change, result: Failed, attempt: int) -> None:
        pause = min(timedelta(seconds=2**attempt), LONGEST_PAUSE) * (0.5 + self._jitter())
        reason = f"{result.reason} (attempt {attempt} of {result.attempts})"
        message = f"{change.run.step}: {reason}, again in {duration(pause)}"
        change.say("step.retry", message, attempt=attempt, fault=result.fault)
        change.run = replace(change.run, attempt=attempt, reason=reason, wake_at=self._clock() + pause)

    def _hold(self, change: Change, reason: str) -> None:
        if not self._lifecycle.allows(change.node.state, "hold"):
            return  # asked for in a part of the walk that the graph cannot hold, such as verifying
        self._go(change, "hold")
        change.say("run.held", f"{change.run.verb}: {reason}; `unhold` goes on")
        change.run = replace(change.run, state=RunState.HELD, reason=reason, intent=None, deadline=None)

    def _abort(self, change: Change, who: str) -> None:
        message = f"aborted by {who} at {change.run.step}"
        self._break_off(change, message)
        by_abort = self._lifecycle.allows(change.node.state, "abort")
        self._go(change, "abort" if by_abort else "fail", who)
        change.end(RunState.ABORTED, message, self._clock())

    def _break_off(self, change: Change, message: str) -> None:
        """Power is as the walk left it, whichever way that is, unless it was to restore what was expected."""
        change.facts["last_error"] = message
        if change.run.return_to is not None:
            change.facts["expected_power"] = None

    def _arrival(self, change: Change) -> str:
        """The event that leads to where the run returns to; a retired node is not made available again."""
        wanted = change.run.return_to
        if wanted == "available" and change.node.retired:
            wanted = "manageable"
        for event in ("done", "manage"):
            state = change.node.state
            if self._lifecycle.allows(state, event) and self._lifecycle.follow(state, event).target == wanted:
                return event
        return "done"

    def _go(self, change: Change, event: str, who: str = "conductor", *, if_possible: bool = False) -> None:
        """Follow an edge; a run that returns to no state, such as one that restores power, moves no node."""
        if change.run.return_to is None or (
            if_possible and not self._lifecycle.allows(change.node.state, event)
        ):
            return
        change.follow(self._lifecycle.follow(change.node.state, event), who)


def duration(span: timedelta) -> str:
    """In words, to the second or the minute."""
    seconds = span.total_seconds()
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
