"""Carry plans out: a node's next verb starts in the transaction that notes that its last one has ended."""

from __future__ import annotations

import logging
from dataclasses import replace

from seed.errors import StoreFailed
from seed.instances import Instances, NotDeployable
from seed.lifecycle import VerbRefused
from seed.model import Run, RunState
from seed.plans.differences import digest_of
from seed.plans.plan import Options, Plan, Rollout, RolloutState, Row, RowState
from seed.requests import Request, Requests
from seed.store import Store, Transaction
from seed.store.errors import Conflict, NotFound

log = logging.getLogger(__name__)

DEPLOYING = "deploying"


class Rollouts:
    """Walks the nodes of plans; all that it knows is in the store, so it may be killed anywhere."""

    def __init__(self, store: Store, requests: Requests, instances: Instances) -> None:
        self._store = store
        self._requests = requests
        self._instances = instances

    def begin(self, tx: Transaction, plan: Plan, options: Options, who: str) -> Rollout | None:
        """Write the rollout of a plan down and start its first nodes; whoever commits calls `wake`."""
        rows = [{"node": n.node, "verbs": list(n.verbs), "becomes": n.becomes} for n in plan.nodes if n.verbs]
        if not rows:
            return None
        rollout = tx.rollouts.open(who, options, plan.model_dump(mode="json", exclude={"site"}), rows)
        _tell(tx, rollout, f"begins with {len(rows)} nodes, for {who}")
        self._go_on(tx, rollout)
        return tx.rollouts.get(rollout.id)

    def advance(self) -> None:
        """Go on wherever a verb has ended; one query when none has. Several seeds may call it at once."""
        try:
            with self._store.read() as tx:
                if not tx.rollouts.ended():
                    return
            with self._store.write() as tx:
                self._advance(tx)
        except StoreFailed:
            raise
        except Exception:
            log.exception("rollouts do not go on, though runs have ended; runs and nodes are not affected")
            return
        self.wake()

    def _advance(self, tx: Transaction) -> None:
        ended = tx.rollouts.ended()
        rollouts = {number: tx.rollouts.get(number) for number in {row.rollout for row, *_ in ended}}
        for row, state, reason in ended:
            self._ended(tx, rollouts[row.rollout], row, state, reason)
        for rollout in rollouts.values():
            self._go_on(tx, rollout)

    def stop(self, number: int, who: str) -> Rollout:
        """Start nothing further; verbs that are under way go on to their ends. Conflict when it has ended."""
        with self._store.write() as tx:
            rollout = tx.rollouts.get(number)
            if rollout.state is not RolloutState.RUNNING:
                raise Conflict(f"rollout {number} is {rollout.state} already")
            tx.rollouts.move(number, RolloutState.STOPPING, f"stopped by {who}")
            _tell(tx, rollout, f"is to stop, says {who}")
            self._go_on(tx, tx.rollouts.get(number))
            return tx.rollouts.get(number)

    def wake(self) -> None:
        """Have what was started looked at."""
        self._requests.wake()

    # -- one node ------------------------------------------------------------------------------------

    def _ended(
        self, tx: Transaction, rollout: Rollout, row: Row, state: RunState | None, reason: str | None
    ) -> None:
        """Note how the verb ended that a node was at, and start its next one."""
        verb = row.verbs[row.cursor]
        if state is not RunState.DONE:
            words = reason or (str(state) if state else "the node was removed")
            tx.rollouts.save(replace(row, state=RowState.FAILED, message=f"{verb}: {words}"))
            return
        row = replace(row, cursor=row.cursor + 1)
        if rollout.state is RolloutState.STOPPING and row.cursor < len(row.verbs):
            words = f"{rollout.reason}, after {verb}"
            tx.rollouts.save(replace(row, state=RowState.SKIPPED, message=words))
        else:
            self._walk(tx, rollout, row)

    def _walk(self, tx: Transaction, rollout: Rollout, row: Row) -> Row:
        """Start the node's next verb that needs a run; verbs that only move the node are done at once."""
        try:
            while row.cursor < len(row.verbs):
                run = self._start(tx, rollout, row)
                if run is not None:
                    row = replace(row, state=RowState.RUNNING, run=run.id)
                    break
                row = replace(row, cursor=row.cursor + 1)
            else:
                row = replace(row, state=RowState.DONE)
        except (Conflict, NotDeployable, NotFound, VerbRefused) as error:
            row = replace(row, state=RowState.FAILED, message=f"{row.verbs[row.cursor]}: {error}")
        tx.rollouts.save(row)
        return row

    def _start(self, tx: Transaction, rollout: Rollout, row: Row) -> Run | None:
        verb, node = row.verbs[row.cursor], tx.nodes.many([row.node]).get(row.node)
        if node is None:
            raise NotFound("the node was removed")
        request = Request(row.node, verb, rollout.who, rollout=rollout.id)
        if self._requests.check(node, verb).target == DEPLOYING:
            instance, secrets = self._instances.declare(node, tx.documents.site())
            if digest_of(instance) != row.becomes:
                raise NotDeployable("it was declared otherwise since the plan was made; make a new plan")
            request = replace(request, facts={"instance": instance}, secrets=secrets)
        return self._requests.start(tx, request)

    # -- all of them ---------------------------------------------------------------------------------

    def _go_on(self, tx: Transaction, rollout: Rollout) -> None:
        """Start as many nodes as may be under way, and end the rollout when no more may be and none is."""
        counts = tx.rollouts.counts(rollout.id)[rollout.id]
        while True:
            why_not = _closed(tx, rollout, counts[RowState.FAILED])
            turns = [] if why_not else self._turns(tx, rollout, counts[RowState.RUNNING])
            for row in turns:
                counts[self._walk(tx, rollout, row).state] += 1
                if counts[RowState.FAILED] > rollout.options.failure_budget:
                    break
            if not turns:
                break
        if why_not:
            tx.rollouts.skip(rollout.id, why_not)
        self._end_if_over(tx, rollout, why_not)

    def _turns(self, tx: Transaction, rollout: Rollout, running: int) -> list[Row]:
        """Whose turn it is: as many as there is room for, canaries alone until all of them are done."""
        room = rollout.options.max_parallel - running
        if room <= 0:
            return []
        pending = tx.rollouts.rows(rollout.id, (RowState.PENDING,), most=room)
        if all(row.state is RowState.DONE for row in _canaries(tx, rollout)):
            return pending
        return [row for row in pending if row.position < rollout.options.canary]

    def _end_if_over(self, tx: Transaction, rollout: Rollout, why_not: str | None) -> None:
        counts = tx.rollouts.counts(rollout.id)[rollout.id]
        if counts[RowState.RUNNING] or counts[RowState.PENDING]:
            return
        state = RolloutState.FAILED
        if counts[RowState.DONE] == sum(counts.values()):
            state = RolloutState.DONE
        elif rollout.state is RolloutState.STOPPING:
            state = RolloutState.STOPPED
        words = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        tx.rollouts.move(rollout.id, state, why_not, ended=True)
        _tell(tx, rollout, f"is {state}: {words}" + (f"; {why_not}" if why_not else ""))


def _closed(tx: Transaction, rollout: Rollout, failed: int) -> str | None:
    """Why no further node is started."""
    if rollout.state is RolloutState.STOPPING:
        return rollout.reason
    if any(row.state in (RowState.FAILED, RowState.SKIPPED) for row in _canaries(tx, rollout)):
        return "a canary failed"
    budget = rollout.options.failure_budget
    return f"{failed} failed, and the failure budget is {budget}" if failed > budget else None


def _canaries(tx: Transaction, rollout: Rollout) -> list[Row]:
    first = rollout.options.canary
    return tx.rollouts.rows(rollout.id, most=first) if first else []


def _tell(tx: Transaction, rollout: Rollout, words: str) -> None:
    tx.events.add("rollout", f"rollout {rollout.id} {words}", who=rollout.who, rollout=rollout.id)
