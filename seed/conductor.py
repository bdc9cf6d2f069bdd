"""The conductor: walks the runs that are due, one step at a time; many nodes at once, one writer.

One thread claims runs and saves answers, many at a time in one transaction; a pool of threads executes steps.
A run that waits costs a row, not a thread.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hwdrivers.errors import BMCError
from pxe.milestones import StepFault
from seed import record
from seed.advance import Advance, Change
from seed.agent import AgentError
from seed.boots import Boots
from seed.errors import StoreFailed
from seed.last_words import LastWords
from seed.lifecycle import Lifecycle
from seed.model import Node, Run, RunState
from seed.step import Failed, Result, Step, Waiting, Walk
from seed.store import Store, Transaction
from seed.store.errors import Conflict, LeaseLost, WrongKey
from seed.tenure import LEASE, Task, Tenure

log = logging.getLogger(__name__)

QUEUED = 4  # runs claimed for each worker: so many answers are saved together when many nodes move
LONGEST_SLEEP = 30.0  # seconds

Answer = tuple[Run, Result]


class Conductor:
    """Claim, execute, save, then announce; what a seed that died was walking goes on here or elsewhere."""

    def __init__(
        self,
        store: Store,
        lifecycle: Lifecycle,
        steps: Mapping[str, Step],
        *,
        name: str = "seed",
        limits: Mapping[str, int] | None = None,
        boots: Boots | None = None,
        workers: int = 16,
        lease: timedelta = LEASE,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`name` is this seed's among those that share the store; `limits` says how many of each need;
        `boots` tells why a machine does not boot.

        `lease`: how long a seed may be silent until others go on with what it was walking.
        """
        self.name = name
        self._store = store
        self._steps = steps
        self._workers = workers
        self._lease = lease
        self._clock = clock
        self._last_words = LastWords(boots or Boots(clock=clock))
        self._tenure = Tenure(store, name, limits or {}, lease, clock)
        self.advance = Advance(lifecycle, self.step_named, clock, jitter)
        self._changed = threading.Condition()
        self._woken = False
        self._stopping = False
        self._answers: list[Answer] = []
        self._followers: list[Callable[[], None]] = []

    def step_named(self, reference: str) -> Step | None:
        """The step of a reference, "name" or "name:argument"; None when this release does not have it."""
        return self._steps.get(reference.partition(":")[0])

    def follow(self, follower: Callable[[], None]) -> None:
        """Have `follower` called whenever runs have ended, at the start, and when the conductor wakes up."""
        self._followers.append(follower)

    # -- the loop ----------------------------------------------------------------------------------

    def serve(self) -> None:
        """Walk every run that is due until `stop`; the steps that are being executed then are finished."""
        self.resume()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="step") as pool, self._tenure.kept():
            while not (self._stopping and not self._tenure.runs and not self._answers):
                try:
                    self._round(pool)
                except StoreFailed:
                    log.exception("the store is asked again in a second")
                    time.sleep(1)

    def _round(self, pool: ThreadPoolExecutor) -> None:
        """Save what was answered, claim what is due, hand it to the pool; sleep when there is neither."""
        answers, woken = self._collect()
        going_on, ended = self._save(answers) if answers else ([], False)
        self._hand_out(pool, going_on)
        if ended or woken:
            self._tell_followers()
        room = self._workers * QUEUED - len(self._tenure.runs)
        claimed = self._tenure.claim(room) if room > 0 and not self._stopping else []
        self._hand_out(pool, claimed)
        if not (answers or claimed):
            self._sleep()

    def _hand_out(self, pool: ThreadPoolExecutor, tasks: Sequence[Task]) -> None:
        for run, node in tasks:
            self._tenure.runs.add(run.id)
            pool.submit(self._work, run, node)

    def _tell_followers(self) -> None:
        for follower in self._followers:
            try:
                follower()
            except StoreFailed:
                raise
            except Exception:
                log.exception("a follower of the runs is broken; they go on without it")

    def _collect(self) -> tuple[list[Answer], bool]:
        with self._changed:
            answers, self._answers = self._answers, []
            woken, self._woken = self._woken, False
        return answers, woken

    def _sleep(self) -> None:
        due = None if self._stopping else self._tenure.next_due()
        wait = LONGEST_SLEEP
        if due is not None:
            wait = min(wait, max(0.0, (due - self._clock()).total_seconds()))
        with self._changed:
            if not (self._answers or self._woken or (self._stopping and not self._tenure.runs)) and wait > 0:
                self._woken |= not self._changed.wait(wait)  # a seed that is no more may have ended runs

    def resume(self) -> None:
        """Go on with what this seed was walking when it ended."""
        self._tenure.resume()
        self.wake()  # what ended before may not have been followed

    def stop(self) -> None:
        """Let the steps that are being executed finish, and start no more."""
        self._stopping = True
        self.wake()

    def wake(self) -> None:
        """Something may be due now."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def run_until_idle(self) -> None:
        """Walk what is due now, in this thread."""
        while True:
            self._tell_followers()
            tasks = self._tenure.claim(1)
            if not tasks:
                return
            while tasks:
                run, node = tasks.pop()
                self._tenure.runs.add(run.id)
                tasks, _ = self._save([(run, self._execute(node, run))])

    # -- one step ----------------------------------------------------------------------------------

    def _work(self, run: Run, node: Node) -> None:
        try:
            result = self._execute(node, run)
        except LeaseLost as lost:
            log.warning("%s; step %s is left to it", lost, run.step)
            self._tenure.runs.discard(run.id)
            self.wake()
            return
        with self._changed:
            self._answers.append((run, result))
            self._changed.notify_all()

    def _execute(self, node: Node, run: Run) -> Result:
        step = self.step_named(run.step or "")
        if step is None:
            return Failed("this release has no such step; ask for the verb again")
        try:
            return step.execute(self._view(node, run))
        except BMCError as error:
            return Failed(str(error), retryable=error.retryable, attempts=error.attempts, fault=StepFault.BMC)
        except AgentError as error:
            return Failed(str(error), retryable=error.retryable)
        except StoreFailed as error:
            return Failed(str(error), retryable=True)
        except WrongKey as error:
            return Failed(str(error))
        except LeaseLost:
            raise
        except Exception as error:
            log.exception("run %d: step %s is broken", run.id, run.step)
            return Failed(
                f"internal error in step {step.name} ({type(error).__name__}); the seed's log has more"
            )

    def _view(self, node: Node, run: Run) -> Walk:
        """What a step may do to the journal: nothing, once another seed has the run."""

        def note(kind: str, message: str, **data: Any) -> None:
            with self._store.write() as tx:
                tx.runs.remember(run, self.name)
                tx.events.add(kind, message, node=node.uuid, run=run.id, seed=self.name, **data)

        def remember(**values: Any) -> None:
            run.memo.update(values)
            with self._store.write() as tx:
                tx.runs.remember(run, self.name)

        return Walk(node, run, note, remember)

    # -- what was answered -------------------------------------------------------------------------

    def _save(self, answers: Sequence[Answer]) -> tuple[list[Task], bool]:
        """Save answers together; returns the runs that go on at once, and whether any ended.

        An answer that cannot be saved does not keep the others from being saved.
        """
        try:
            tasks, ended = self._save_together(answers)
        except StoreFailed:
            with self._changed:
                self._answers += answers
            raise
        except Exception:
            if len(answers) > 1:
                saved = [self._save([answer]) for answer in answers]
                return [task for tasks, _ in saved for task in tasks], any(ended for _, ended in saved)
            log.exception("run %d: its answer could not be saved; it is tried again", answers[0][0].id)
            self._put_off(answers[0][0])
            tasks, ended = [], False
        self._tenure.runs.difference_update(run.id for run, _ in answers)
        return tasks, ended

    def _put_off(self, run: Run) -> None:
        with self._store.write() as tx:
            for mine in tx.runs.held(self.name, [run]).values():
                tx.runs.save([replace(mine, wake_at=self._clock() + self._lease)])

    def _save_together(self, answers: Sequence[Answer]) -> tuple[list[Task], bool]:
        with self._store.write() as tx:
            held = tx.runs.held(self.name, [run for run, _ in answers])
            standings = tx.nodes.standings(run.node for run in held.values())
            changes = []
            for run, result in answers:
                now = held.get(run.id)
                if now is not None:  # else it was aborted, or its lease was lost
                    if isinstance(result, Waiting) and result.poll and now.wake_at != run.wake_at:
                        result = replace(result, poll=timedelta())  # woken while the step was executed
                    changes.append(self._answer(tx, now, standings[run.node], result))
            going_on = [] if self._stopping else [change.run for change in changes if _goes_on(change)]
            until = self._clock() + self._lease
            record.changes(tx, changes, {run.id: (self.name, until) for run in going_on})
            nodes = tx.nodes.many(run.node for run in going_on)
        ended = any(change.run.finished_at for change in changes)
        return [(run, nodes[run.node]) for run in going_on], ended

    def _answer(self, tx: Transaction, run: Run, node: Any, result: Result) -> Change:
        def last_words(failed: Failed) -> str:
            return self._last_words.of(tx, run, failed)

        change = self.advance.answer(run, node, result, last_words)
        try:
            record.facts(tx, change)
        except Conflict as error:  # what the step found contradicts another node
            change = self.advance.answer(run, node, Failed(str(error)), last_words)
            record.facts(tx, change)
        return change


def _goes_on(change: Change) -> bool:
    """Whether the next step can be executed at once: it is there, and needs nothing that is limited."""
    run = change.run
    return run.state is RunState.READY and run.attempt == 0 and not run.needs and not change.node.maintenance
