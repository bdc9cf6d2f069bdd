"""What operators ask of nodes: a verb becomes a run, written down before anything happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hwdrivers.credentials import Secret
from seed import record
from seed.advance import Advance, Change
from seed.instances import Instances
from seed.lifecycle import Lifecycle, Transition, VerbRefused
from seed.model import Intent, Node, Run, RunState, Standing
from seed.store import Store, Transaction
from seed.store.errors import Conflict
from seed.verbs import steps_for

OF_RUNS = ("abort", "hold", "unhold")  # what is asked of a run that is under way


@dataclass(frozen=True)
class Request:
    """What an operator asks of a node; `facts` are saved with the run, such as the instance to deploy.

    `secrets`, by name, are saved with them: a request that is refused changes none. `args` are for the steps,
    such as the clean steps to take.
    """

    node: str
    verb: str
    who: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    args: Mapping[str, Any] = field(default_factory=dict)
    rollout: int | None = None


class Requests:
    """Takes verbs, or refuses them and changes nothing."""

    def __init__(
        self,
        store: Store,
        lifecycle: Lifecycle,
        advance: Advance,
        instances: Instances,
        wake: Callable[[], None],
    ) -> None:
        """`wake` has the conductor look at what was started."""
        self._store = store
        self._lifecycle = lifecycle
        self._advance = advance
        self._instances = instances
        self.wake = wake

    def prepare(self, node: Node, verb: str, who: str, args: Mapping[str, Any] | None = None) -> Request:
        """The request as it can be started, with the instance that a deploy makes; nothing is stored yet.

        Raises VerbRefused or NotDeployable: everything that can be checked now is.
        """
        asked = Request(node.uuid, verb, who, args=args or {})
        if verb in OF_RUNS or self.check(node, verb).target != "deploying":
            return asked
        instance, secrets = self._instances.declare(node)
        return replace(asked, facts={"instance": instance}, secrets=secrets)

    def request(self, request: Request) -> Run | None:
        """Start a verb. None: the verb only moved the node. Raises VerbRefused, NotFound or Conflict."""
        with self._store.write() as tx:
            run = self.start(tx, request)
        self.wake()
        return run

    def start(self, tx: Transaction, request: Request) -> Run | None:
        """The same within a transaction; whoever commits it wakes the conductor."""
        node = tx.nodes.get(request.node)
        run = tx.runs.live(node.uuid)
        match request.verb:
            case "abort":
                return self._abort(tx, node, run, request.who)
            case "hold":
                return self._hold(tx, node, run, request.who)
            case "unhold":
                return self._unhold(tx, node, run, request.who)
        if run is not None:
            raise Conflict(f"node '{node.name}': run {run.id} ({run.verb}) is under way")
        return self._open(tx, node, request)

    def check(self, node: Node, verb: str) -> Transition:
        """Raise VerbRefused if `verb` cannot start now; changes nothing."""
        transition = self._lifecycle.follow(node.state, verb)
        _refuse_flagged(node, transition)
        steps_for(transition)
        return transition

    def _open(self, tx: Transaction, node: Node, request: Request) -> Run | None:
        transition = self.check(node, request.verb)
        steps = steps_for(transition)
        tx.nodes.update(node.uuid, last_error=None, **request.facts)
        for name, secret in request.secrets.items():
            tx.secrets.put(node.uuid, name, secret)
        run = None
        if steps:
            run = tx.runs.open(
                node.uuid,
                request.verb,
                request.who,
                steps,
                return_to=transition.return_to,
                args=request.args,
                needs=self._needs(steps[0]),
                rollout=request.rollout,
            )
        self._move(tx, node, transition, run, request.who)
        return run

    def _needs(self, step: str) -> str | None:
        found = self._advance.step_named(step)
        return found.needs if found else None

    def _move(self, tx: Transaction, node: Node, edge: Transition, run: Run | None, who: str) -> None:
        target = (run.return_to if run else None) or edge.return_to
        tx.nodes.move(node, edge.target, target if edge.return_to else None)
        message = f"{edge.source} → {edge.target} ({edge.event})"
        tx.events.add("state", message, node=node.uuid, run=run.id if run else None, who=who)

    def _abort(self, tx: Transaction, node: Node, run: Run | None, who: str) -> Run | None:
        """At once where the step can be interrupted and is not being executed, else when it is done."""
        if run is None:
            self._move(tx, node, self._lifecycle.follow(node.state, "abort"), None, who)
            tx.nodes.update(node.uuid, last_error=None)
            return None
        step = self._advance.step_named(run.step or "")
        executing = tx.runs.is_held(run.id)
        if executing or (step is not None and not step.abortable and run.state is not RunState.HELD):
            return self._intend(tx, run, Intent.ABORT, who)
        change = self._advance.abort(run, Standing(node.uuid, node.state, node.retired), who)
        record.facts(tx, change)
        record.changes(tx, [change])
        return change.run

    def _hold(self, tx: Transaction, node: Node, run: Run | None, who: str) -> Run:
        if run is None or not self._lifecycle.allows(node.state, "hold"):
            raise VerbRefused(
                f"nothing can be held in state '{node.state}'; what cleans, deploys or serves can"
            )
        return self._intend(tx, run, Intent.HOLD, who)

    def _intend(self, tx: Transaction, run: Run, intent: Intent, who: str) -> Run:
        intended = replace(run, intent=intent, intent_by=who)
        tx.runs.intend(run.id, intent, who)
        tx.events.add(
            "run.asked", f"{who} asks to {intent} after {run.step}", node=run.node, run=run.id, who=who
        )
        return intended

    def _unhold(self, tx: Transaction, node: Node, run: Run | None, who: str) -> Run:
        edge = self._lifecycle.follow(node.state, "unhold")
        if run is None or run.state is not RunState.HELD:
            raise VerbRefused(f"node '{node.name}' is in '{node.state}' without a run; abort it")
        change = Change(self._advance.again(run), Standing(node.uuid, node.state, node.retired))
        change.follow(edge, who)
        record.changes(tx, [change])
        return change.run


def _refuse_flagged(node: Node, transition: Transition) -> None:
    """The flags beside the state say what may not be asked."""
    if node.maintenance:
        raise VerbRefused(
            f"node '{node.name}' is in maintenance ({node.maintenance_reason or 'no reason given'}; "
            f"{node.maintenance_by or 'unknown'}): end that first"
        )
    if node.protected and transition.destructive:
        reason = node.protected_reason or "no reason given"
        raise VerbRefused(
            f"node '{node.name}' is protected ({reason}) and '{transition.event}' destroys data"
        )
    if node.retired and transition.event in ("provide", "deploy", "rebuild"):
        reason = node.retired_reason or "no reason given"
        raise VerbRefused(f"node '{node.name}' is retired ({reason}) and gets no new instance")
