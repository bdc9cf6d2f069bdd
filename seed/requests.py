"""What operators ask of nodes: a verb becomes a run, written down before anything happens."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hwdrivers.credentials import Secret
from seed import flags, record
from seed.advance import Advance, Change
from seed.instances import Instances
from seed.lifecycle import Lifecycle, Transition, VerbRefused
from seed.model import Intent, Node, Run, RunState, Standing
from seed.store import Store, Transaction
from seed.store.errors import Conflict, NotFound
from seed.verbs import OF_RUNS, SECRETS, steps_for
from seed.wanted_steps import WantedStep, wanted_of

_HASH = re.compile(r"\$[0-9a-z]+\$[./0-9A-Za-z$=,]+")  # crypt(5)


@dataclass(frozen=True)
class Request:
    """What an operator asks of a node (its UUID); `facts` are saved with the run, such as the instance.

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


Refusal = Conflict | NotFound | VerbRefused


@dataclass(frozen=True)
class _Opening:
    """A run that is about to be written down."""

    node: Node
    request: Request
    transition: Transition

    @property
    def steps(self) -> tuple[str, ...]:
        return steps_for(self.transition, self.request.facts.get("instance") or self.node.instance)


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

    def prepare(
        self,
        node: Node,
        verb: str,
        who: str,
        args: Mapping[str, Any] | None = None,
        secrets: Mapping[str, Secret] | None = None,
    ) -> Request:
        """The request as it can be started, with the instance that a deploy makes; nothing is stored yet.

        Raises VerbRefused or NotDeployable: everything that can be checked now is.
        """
        transition = None if verb in OF_RUNS else self.check(node, verb)
        wanted = wanted_of(verb, args or {})
        _check_secrets(verb, secrets or {})
        steps = {"steps": [step.model_dump() for step in wanted]} if wanted else {}
        asked = Request(node.uuid, verb, who, secrets=secrets or {}, args=steps)
        if transition is None:
            return asked
        self._check_steps(node, transition, wanted)
        if transition.target != "deploying":
            return asked
        instance, made = self._instances.declare(node)
        return replace(asked, facts={"instance": instance}, secrets=made)

    def request(self, request: Request) -> Run | None:
        """Start a verb. None: the verb only moved the node. Raises VerbRefused, NotFound or Conflict."""
        with self._store.write() as tx:
            run = self.start(tx, request)
        self.wake()
        return run

    def start(self, tx: Transaction, request: Request) -> Run | None:
        """The same within a transaction; whoever commits it wakes the conductor."""
        (answer,) = self.start_all(tx, [request])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def start_all(self, tx: Transaction, requests: Sequence[Request]) -> list[Run | Refusal | None]:
        """Start requests of as many nodes, each as if it were alone; what is refused is an answer too."""
        nodes = tx.nodes.many(request.node for request in requests)
        live = tx.runs.live_on(list(nodes))
        answers: list[Run | Refusal | None] = []
        openings: dict[int, _Opening] = {}
        for number, request in enumerate(requests):
            try:
                taken = self._take(tx, request, nodes.get(request.node), live.get(request.node))
            except (Conflict, NotFound, VerbRefused) as refusal:
                answers.append(refusal)
                continue
            if isinstance(taken, _Opening):
                openings[number] = taken
                nodes[request.node] = replace(taken.node, state=taken.transition.target)
            answers.append(None if isinstance(taken, _Opening) else taken)
        for number, run in zip(openings, self._open(tx, [*openings.values()]), strict=True):
            answers[number] = run
        return answers

    def _take(
        self, tx: Transaction, request: Request, node: Node | None, run: Run | None
    ) -> Run | _Opening | None:
        if node is None:
            raise NotFound(f"no node {request.node}")
        match request.verb:
            case "abort":
                return self._abort(tx, node, run, request.who)
            case "hold":
                return self._hold(tx, node, run, request.who)
            case "unhold":
                return self._unhold(tx, node, run, request.who)
        if run is not None:
            raise Conflict(f"node '{node.name}': run {run.id} ({run.verb}) is under way")
        return _Opening(node, request, self.check(node, request.verb))

    def check(self, node: Node, verb: str) -> Transition:
        """Raise VerbRefused if `verb` cannot start now; changes nothing."""
        transition = self._lifecycle.follow(node.state, verb)
        if words := flags.refusal(node, verb, destroys_data=transition.destructive):
            raise VerbRefused(f"node '{node.name}' is {words}")
        return transition

    def _check_steps(self, node: Node, transition: Transition, wanted: Sequence[WantedStep]) -> None:
        """What the graph and the node's flags say of the steps; the agent says later what it offers."""
        if not self._lifecycle.allows(transition.target, "hold") and any(s.step == "hold" for s in wanted):
            raise VerbRefused(f"'{transition.event}' cannot be held, so 'hold' is none of its steps")
        destroys = ", ".join(step.name for step in wanted if step.destroys)
        if node.protected and destroys:
            raise VerbRefused(f"node '{node.name}' is {flags.protection(node)} and {destroys} destroys data")

    def _open(self, tx: Transaction, openings: Sequence[_Opening]) -> list[Run | None]:
        runs = tx.runs.open_all([self._run(tx, opening) for opening in openings if opening.steps])
        tx.nodes.clear_errors([opening.node.uuid for opening in openings])
        for opening in openings:
            node, request = opening.node, opening.request
            if request.facts:
                tx.nodes.update(node.uuid, **request.facts)
            for name, secret in request.secrets.items():
                tx.secrets.put(node.uuid, name, secret)
        self._move(tx, [(each.node, each.transition, each.request.who) for each in openings], runs)
        return [runs.get(opening.node.uuid) for opening in openings]

    def _run(self, tx: Transaction, opening: _Opening) -> Run:
        request = opening.request
        return tx.runs.new(
            request.node,
            request.verb,
            request.who,
            opening.steps,
            return_to=opening.transition.return_to,
            args=request.args,
            needs=self._needs(opening.steps[0]),
            rollout=request.rollout,
        )

    def _needs(self, step: str) -> str | None:
        found = self._advance.step_named(step)
        return found.needs if found else None

    def _move(
        self, tx: Transaction, moves: Sequence[tuple[Node, Transition, str]], runs: Mapping[str, Run]
    ) -> None:
        targets = {}
        for node, edge, who in moves:
            run = runs.get(node.uuid)
            target = (run.return_to if run else None) or edge.return_to
            targets[node.uuid] = (edge.target, target if edge.return_to else None)
            message = f"{edge.source} → {edge.target} ({edge.event})"
            tx.events.add("state", message, node=node.uuid, run=run.id if run else None, who=who)
        tx.nodes.move_many(targets)

    def _abort(self, tx: Transaction, node: Node, run: Run | None, who: str) -> Run | None:
        """At once where the step can be interrupted and is not being executed, else when it is done."""
        if run is None:
            self._move(tx, [(node, self._lifecycle.follow(node.state, "abort"), who)], {})
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


def _check_secrets(verb: str, secrets: Mapping[str, Secret]) -> None:
    """A verb gets the secrets that it needs, and passwords only as crypt(5) hashes."""
    if secrets.keys() != set(SECRETS.get(verb, ())):
        needed = ", ".join(SECRETS.get(verb, ())) or "no secret"
        raise VerbRefused(f"'{verb}' needs {needed}, and was given {', '.join(secrets) or 'none'}")
    if any(not _HASH.fullmatch(secret.reveal()) for secret in secrets.values()):
        raise VerbRefused(
            f"'{verb}' takes a password only as its hash, as crypt(5) and `openssl passwd -6` make"
        )
