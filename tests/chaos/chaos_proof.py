"""What must be true after any number of kills: of the store, of the machines, and between the two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from chaos_machine import WRITES, LivingMachine
from chaos_operator import Accepted
from chaos_rack import Deed

from seed.lifecycle import Lifecycle, ironic_39
from seed.model import Event, Node, Run, RunState
from seed.store import Store
from seed.wanted_steps import destroys

ENDS = ("run.done", "run.failed", "run.aborted")
OURS = ("switching off",)  # what the seed itself does: journaled as destructive, and no command of the agent


class Proof:
    """Everything that is known at the end; each check yields what is wrong, in words."""

    def __init__(
        self,
        store: Store,
        machines: Mapping[str, LivingMachine],
        deeds: Sequence[Deed],
        followed: Sequence[Mapping[str, Any]],
        accepted: Sequence[Accepted],
    ) -> None:
        with store.read() as tx:
            self.events = tx.events.after(0, limit=10_000_000)
            self.nodes = tx.nodes.all()
            self.runs = {run.id: run for node in self.nodes for run in tx.runs.of_node(node.uuid)}
            self.held = {run.id for run in self.runs.values() if run.slot or tx.runs.is_held(run.id)}
        self.machines = machines
        self.deeds = deeds
        self.followed = followed
        self.accepted = accepted

    def wrong(self) -> dict[str, list[str]]:
        """What is wrong, by the promise that it breaks; all lists are empty when all is well."""
        return {
            "stuck": list(self._stuck()),
            "failed": list(self._failed()),
            "destroyed twice": list(self._twice()),
            "destroyed without a word": list(self._unannounced()),
            "events lost": list(self._lost_events()),
            "states lost": list(self._lost_states()),
            "steps lost": list(self._lost_steps()),
            "requests lost": list(self._lost_requests()),
            "two at once": list(self._two_at_once()),
        }

    # -- ends ------------------------------------------------------------------------------------------

    def _stuck(self) -> Iterator[str]:
        for run in self.runs.values():
            if run.finished_at is None:
                yield f"run {run.id} ({run.verb}) is {run.state} at {run.step}: {run.reason}"
        for number in self.held:
            yield f"run {number} is held, or has a slot"

    def _failed(self) -> Iterator[str]:
        for event in self.events:
            if event.kind in ("run.failed", "step.failed", "run.aborted"):
                yield f"event {event.id}, run {event.run}: {event.message}"

    # -- deeds -----------------------------------------------------------------------------------------

    def _twice(self) -> Iterator[str]:
        """Each step of a run that gives the agent something to destroy gave it once, and none else did."""
        given = Counter((deed.run, deed.command, deed.step) for deed in self.deeds)
        for (run, command, step), times in given.items():
            if times > 1:
                yield f"run {run}: the agent was given {command} {step} {times} times"
        for run in self._done():
            mine = {(command, step) for number, command, step in given if number == run.id}
            if mine != (wanted := set(_destroys(run.steps))):
                yield f"run {run.id} ({run.verb}): the agent was given {mine}, not {wanted}"
        yield from self._disks()

    def _disks(self) -> Iterator[str]:
        """What lies on the disks is what the journal says, once."""
        told = (event for event in self.events if event.kind == "destructive" and "serial" in event.data)
        serials = {event.run: event.data["serial"] for event in told}
        for machine in self.machines.values():
            for image, times in Counter(machine.images).items():
                if times > 1 or serials.get(image.run) != image.serial:
                    yield f"{machine.name}: {image} {times} times; the journal: {serials.get(image.run)}"
        written = Counter(image.run for machine in self.machines.values() for image in machine.images)
        for run in self._done():
            if written[run.id] != list(run.steps).count("write_image"):
                yield f"run {run.id} ({run.verb}) wrote {written[run.id]} images"
        yield from self._first_boots()

    def _first_boots(self) -> Iterator[str]:
        """A first boot that was cut would begin again: it is one boot for each image."""
        for machine in self.machines.values():
            boots = len(machine.first_boots)
            if boots != len(machine.images) or boots != len(set(machine.first_boots)):
                yield f"{machine.name}: {len(machine.images)} images were written, with {boots} first boots"

    def _unannounced(self) -> Iterator[str]:
        for deed in self.deeds:
            told = [message for message in deed.announced if not message.startswith(OURS)]
            if destroys(deed.step.rpartition(".")[2]) and not any(deed.step in message for message in told):
                yield f"{deed.machine}: {deed.command} {deed.step} in run {deed.run} before the journal told"

    # -- events ----------------------------------------------------------------------------------------

    def _lost_events(self) -> Iterator[str]:
        """Who reads `events after N` across all seeds sees each event once, and as it stays."""
        numbers = [event["id"] for event in self.followed]
        if numbers != sorted(set(numbers)):
            yield "the follower saw numbers that do not increase"
        stored = {event.id: event for event in self.events}
        for event in self.followed:
            now = stored.get(event["id"])
            if now is None or any(
                getattr(now, field) != event[field] for field in ("kind", "message", "node")
            ):
                yield f"event {event['id']} was changed after it was followed"
        for number in stored.keys() - set(numbers):
            yield f"event {number} was not followed: {stored[number].kind} {stored[number].message}"

    def _lost_states(self) -> Iterator[str]:
        """The state of each node is the replay of its events, each of which is an edge of the graph."""
        graph = ironic_39()
        for node in self.nodes:
            events = [event for event in self.events if event.kind == "state" and event.node == node.uuid]
            yield from _replay(graph, node, events)

    def _lost_steps(self) -> Iterator[str]:
        """A run that is done completed all its steps, each once, in their order."""
        completed: dict[int, list[str]] = {}
        for event in self.events:
            if event.kind == "step.complete" and event.run is not None:
                completed.setdefault(event.run, []).append(event.data["step"])
        for run in self._done():
            if completed.get(run.id) != list(run.steps):
                yield f"run {run.id} ({run.verb}) completed {completed.get(run.id)} of {run.steps}"

    def _lost_requests(self) -> Iterator[str]:
        for accepted in self.accepted:
            run = self.runs.get(accepted.run)
            if run is None or (run.node, run.verb) != (accepted.node, accepted.verb):
                yield f"run {accepted.run} ({accepted.verb}) was accepted and is not there"

    def _two_at_once(self) -> Iterator[str]:
        """A node's runs follow one another, and each ends once."""
        for node in self.nodes:
            runs = (run for _, run in sorted(self.runs.items()) if run.node == node.uuid)
            for one, following in pairwise(runs):
                if one.finished_at is None or one.finished_at > following.created_at:
                    yield f"{node.name}: run {following.id} began before run {one.id} had ended"
        ends = Counter(event.run for event in self.events if event.kind in ENDS)
        yield from (f"run {run} ended {times} times" for run, times in ends.items() if times != 1)

    def _done(self) -> Iterable[Run]:
        return (run for run in self.runs.values() if run.state is RunState.DONE)


def _destroys(steps: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What the agent is given for these steps of a run: command, and its own step."""
    for step in steps:
        name, _, argument = step.partition(":")
        kind = name.removeprefix("critical_").removesuffix("_step")
        if name == "write_image":
            yield WRITES, ""
        elif argument and kind in ("clean", "service"):
            yield f"{kind}.execute_{kind}_step", argument


def _replay(graph: Lifecycle, node: Node, events: Sequence[Event]) -> Iterator[str]:
    at = graph.initial
    for event in events:
        way, _, verb = event.message.removesuffix(")").partition(" (")
        source, _, target = way.partition(" → ")
        if source != at or not graph.allows(source, verb) or graph.follow(source, verb).target != target:
            yield f"{node.name} was '{at}', and event {event.id} says: {event.message}"
        at = target
    if at != node.state:
        yield f"{node.name} is '{node.state}', and its events end at '{at}'"
