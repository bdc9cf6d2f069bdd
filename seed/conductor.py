"""The conductor: takes verbs, and walks the runs that are due, one step at a time."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from hwdrivers.credentials import Secret
from hwdrivers.errors import BMCError
from seed.advance import Advance, duration
from seed.agent import AgentError
from seed.lifecycle import Lifecycle, Transition, VerbRefused
from seed.model import Node, Run, RunState
from seed.step import Failed, Result, Step, Waiting, Walk
from seed.store import Store, Transaction
from seed.store.errors import Conflict, WrongKey
from seed.verbs import steps_for

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=10)  # longer than any single call of a step


@dataclass(frozen=True)
class Request:
    """What an operator asks of a node; `facts` are saved with the run, such as the instance to deploy.

    `secrets`, by name, are saved with them: a request that is refused changes none.
    """

    node: str
    verb: str
    who: str
    facts: Mapping[str, Any]
    secrets: Mapping[str, Secret] = field(default_factory=dict)


class Conductor:
    """Reserve, run, save, then announce; a worker that dies loses its lease and the run goes on."""

    def __init__(
        self,
        store: Store,
        lifecycle: Lifecycle,
        steps: Mapping[str, Step],
        *,
        workers: int = 16,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._steps = steps
        self._workers = workers
        self._clock = clock
        self._advance = Advance(lifecycle, clock, jitter)
        self._changed = threading.Condition()
        self._woken = False
        self._stopping = False

    # -- what operators ask ------------------------------------------------------------------------

    def request(self, request: Request) -> Run | None:
        """Start a verb: its run is stored before anything happens. None: the verb only moved the node.

        Raises VerbRefused, NotFound or Conflict; then nothing has changed.
        """
        with self._store.write() as tx:
            node = tx.nodes.get(request.node)
            transition = self._lifecycle.follow(node.state, request.verb)
            if request.verb == "abort":
                return self._abort(tx, node, transition, request.who)
            steps = steps_for(transition)
            live = tx.runs.live(node.uuid)
            if live is not None:
                raise Conflict(f"node '{node.name}': run {live.id} ({live.verb}) is under way")
            tx.nodes.update(node.uuid, last_error=None, **request.facts)
            for name, secret in request.secrets.items():
                tx.secrets.put(node.uuid, name, secret)
            run = None
            if steps:
                run = tx.runs.open(node.uuid, request.verb, request.who, steps, transition.return_to, {})
            self._advance.move(tx, node, transition, run.id if run else None, request.who)
        self.wake()
        return run

    def check(self, node: Node, verb: str) -> Transition:
        """Raise VerbRefused if `verb` cannot start now; changes nothing."""
        transition = self._lifecycle.follow(node.state, verb)
        if verb != "abort":
            steps_for(transition)
        return transition

    def _abort(self, tx: Transaction, node: Node, transition: Transition, who: str) -> Run | None:
        run = tx.runs.live(node.uuid)
        if run is not None:
            step = self._steps.get(run.step or "")
            if step is not None and not step.abortable:
                raise VerbRefused(f"step {step.name} cannot be interrupted safely; wait until it is done")
            self._advance.end(tx, run, RunState.ABORTED, f"aborted by {who}")
        self._advance.move(tx, node, transition, run.id if run else None, who)
        tx.nodes.update(node.uuid, last_error=f"aborted by {who}" if run else None)
        return None

    # -- the loop ----------------------------------------------------------------------------------

    def serve(self) -> None:
        """Walk every run that is due until `stop`; call once no other conductor works on this store."""
        self.resume()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="conductor") as pool:
            free = threading.Semaphore(self._workers)
            while not self._stopping:
                free.acquire()
                run = self._next()
                if run is None:
                    free.release()
                else:
                    pool.submit(self._work, run, free)

    def resume(self) -> None:
        """Take back what a conductor left that is no more; call once no other works on this store."""
        with self._store.write() as tx:
            for left in tx.runs.release():
                tx.events.add(
                    "run.resumed", f"{left.verb} goes on at {left.step}", node=left.node, run=left.id
                )

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
        while (run := self._claim()) is not None:
            self._walk(run)

    def _next(self) -> Run | None:
        """A run that is due, or None after a wait; a store in trouble must not end the loop."""
        try:
            run = self._claim()
            if run is None:
                self._sleep()
        except SQLAlchemyError:
            log.exception("the store does not answer; it is asked again in a second")
            time.sleep(1)
            return None
        return run

    def _claim(self) -> Run | None:
        with self._store.read() as tx:
            due = tx.runs.next_wake()
        if due is None or due > self._clock():
            return None
        with self._store.write() as tx:
            return tx.runs.claim(threading.current_thread().name, self._clock(), LEASE)

    def _sleep(self) -> None:
        with self._store.read() as tx:
            due = tx.runs.next_wake()
        wait = 30.0 if due is None else min(30.0, max(0.0, (due - self._clock()).total_seconds()))
        with self._changed:
            if not self._stopping and not self._woken and wait > 0:
                self._changed.wait(wait)
            self._woken = False

    # -- one step ----------------------------------------------------------------------------------

    def _work(self, run: Run, free: threading.Semaphore) -> None:
        try:
            self._walk(run)
        finally:
            free.release()
            self.wake()

    def _walk(self, run: Run) -> None:
        try:
            with self._store.read() as tx:
                node = tx.nodes.get(run.node)
            result = self._execute(node, run)
            self._save(run, result)
        except Exception:
            log.exception("run %d: could not be saved; its lease runs out and it is tried again", run.id)

    def _execute(self, node: Node, run: Run) -> Result:
        if run.step is None:
            raise AssertionError("a live run stands at a step")
        step = self._steps.get(run.step)
        if step is None:
            return Failed("this release has no such step; ask for the verb again")
        if self._clock() - run.step_started_at > step.timeout:
            waited = f"; it waited for {run.reason}" if run.reason else ""
            return Failed(f"not done after {duration(step.timeout)}{waited}")
        try:
            return step.execute(self._view(node, run))
        except (BMCError, AgentError) as error:
            return Failed(str(error), retryable=error.retryable)
        except WrongKey as error:
            return Failed(str(error))
        except Exception as error:
            log.exception("run %d: step %s is broken", run.id, step.name)
            return Failed(
                f"internal error in step {step.name} ({type(error).__name__}); the seed's log has more"
            )

    def _view(self, node: Node, run: Run) -> Walk:
        def note(kind: str, message: str, **data: Any) -> None:
            with self._store.write() as tx:
                tx.events.add(kind, message, node=node.uuid, run=run.id, **data)

        def remember(**values: Any) -> None:
            run.memo.update(values)
            with self._store.write() as tx:
                tx.runs.remember(run.id, run.memo)

        return Walk(node, run, note, remember)

    def _save(self, run: Run, result: Result) -> None:
        try:
            self._record(run, result)
        except Conflict as error:  # what the step found contradicts another node
            self._record(run, Failed(str(error)))

    def _record(self, run: Run, result: Result) -> None:
        with self._store.write() as tx:
            current = tx.runs.get(run.id)
            if current.finished_at is not None or current.cursor != run.cursor:
                return  # aborted while the step was executed, or its lease ran out and another went on
            if isinstance(result, Waiting) and current.wake_at != run.wake_at:
                result = replace(result, poll=timedelta())  # woken while the step was executed
            self._advance.record(tx, replace(current, memo=run.memo), result)
