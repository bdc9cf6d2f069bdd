"""Kill the seed at each place of each verb: before each commit, and before each act on a machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from chaos_campaign import Outcome, World
from chaos_site import places

from seed.lifecycle import Lifecycle, Transition, VerbRefused, ironic_39
from seed.model import Run
from seed.verbs import steps_for

MACHINES = 99
PACE = 0.3  # of the time that machines otherwise take
PLACES = 25  # that a verb has, more or less
LONG = 1.5  # seconds after which another seed is started that looks at once at what waits
TRIES = 10
ENROLL = Transition("", "enroll", "enroll", None, "verb", "enrol", False, "undercloud")


def boundaries(folder: Path, *, trials: int | None, seed: int) -> Outcome:
    """A trial for each place of each verb, or as many at places taken at random."""
    random = Random(seed)
    seeds = places(folder, 1, fast_track=False, lease=30, database=None)
    world = World(seeds, MACHINES, random, pace=PACE, asking=False)
    with world.running():
        tried = Trials(world) if trials is None else Sample(world, trials)
        tried.walk()
        outcome = world.outcome("step boundaries")
    outcome.places = tried.places
    outcome.wrong["astray"] = tried.astray
    return outcome


def walked(graph: Lifecycle) -> Iterator[Transition]:
    """Each verb that takes steps, from the first resting state that it can be asked in."""
    seen = set()
    for edge in graph.transitions:
        if edge.kind == "verb" and edge.source in graph.stable and steps_for(edge) and edge.event not in seen:
            seen.add(edge.event)
            yield edge


class Trials:
    """One after another, each with a seed that dies at one place of a verb: at the next one each time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._graph = ironic_39()
        self._open = {edge.event: edge for edge in (ENROLL, *walked(self._graph))}
        self._next = dict.fromkeys(self._open, 0)
        self._fuse = world.seeds[0].place.state / "fuse"
        self._epitaph = world.seeds[0].place.state / "blown"
        self._machines = iter(world.rack.machines)
        self._name, self._state = "", ENROLL.source
        self._outlived: set[str] = set()
        self.places: dict[str, list[str]] = {verb: [] for verb in self._open}
        self.astray: list[str] = []

    def walk(self) -> None:
        """Until no verb has a place left."""
        while self._open:
            edge = self._choose()
            trial = Trial(self._world, self._name, edge)
            self._take(trial, edge)
            self._state = self._graph.landing(edge)
            if wrong := trial.wrong(self._state):
                self.astray.append(f"{wrong}; killed at {self.places[edge.event][-1:]}")
                self._name, self._state = "", ENROLL.source

    def _choose(self) -> Transition:
        """Towards the nearest verb that has a place left; failing that, a new machine."""
        ways = [way for edge in self._open.values() if (way := self._way(edge)) is not None]
        if ways:
            return min(ways, key=len)[0]
        self._name = next(self._machines)
        return ENROLL

    def _way(self, edge: Transition) -> tuple[Transition, ...] | None:
        try:
            return (*self._graph.path(self._state, edge.source), edge)
        except VerbRefused:
            return None

    def _take(self, trial: Trial, edge: Transition) -> None:
        """With a seed that dies on the way, if this verb is tried from this state and has places left."""
        until, verb = self._world.until, edge.event
        is_tried = self._open.get(verb) == edge
        until(self._world.is_up)
        trial.get_ready()
        if is_tried:
            self._fuse.write_text(str(self._next[verb]))
        until(lambda: self._epitaph.exists() or trial.ask())
        until(lambda: self._epitaph.exists() or trial.is_over())
        if self._epitaph.exists():
            self.places[verb].append(f"{trial.step()}: {self._epitaph.read_text()}")
            self._next[verb] += 1
            self._outlived.discard(verb)
            self._bury()
            until(trial.ask)
        elif is_tried:
            self._outlive(verb)
        for _ in range(TRIES):
            if not until(trial.is_over, LONG):
                self._next_seed()

    def _outlive(self, verb: str) -> None:
        """The verb has no more places if that is so twice: how many answers are saved together varies."""
        if verb in self._outlived:
            del self._open[verb]
        self._outlived ^= {verb}
        self._next_seed()  # with what is left of the fuse
        self._forget()

    def _next_seed(self) -> None:
        self._world.kill(self._world.seeds[0])
        self._world.seeds[0].start()

    def _bury(self) -> None:
        self._world.seeds[0].bury()
        self._forget()
        self._world.died()
        self._world.seeds[0].start()

    def _forget(self) -> None:
        self._fuse.unlink(missing_ok=True)
        self._epitaph.unlink(missing_ok=True)


class Sample(Trials):
    """So many verbs on one way through the graph, each with a seed that dies anywhere in it."""

    def __init__(self, world: World, trials: int) -> None:
        super().__init__(world)
        self._verbs = dict(self._open)
        self._left = trials

    def _choose(self) -> Transition:
        self._left -= 1
        self._open = dict(self._verbs) if self._left else {}
        self._next = {verb: self._world.random.randrange(PLACES) for verb in self._open}
        ways = [way for edge in self._verbs.values() if (way := self._way(edge)) is not None]
        if not ways:
            return super()._choose()
        return self._world.random.choice(ways)[0]


class Trial:
    """One verb on one machine, asked until it has arrived, and once."""

    def __init__(self, world: World, name: str, edge: Transition) -> None:
        self._world = world
        self._name = name
        self._edge = edge
        self._known = len(self._runs())

    def get_ready(self) -> None:
        if self._edge.event == "adopt":  # what is taken over runs
            self._world.rack.machines[self._name].press_power_button()

    def ask(self) -> bool:
        """Whether the request has arrived; asks only when it has not."""
        if self._has_arrived():
            return True
        if self._edge.event == "enroll":
            return self._enroll()
        rows = self._world.client.ask(self._edge.event, [self._name])
        if rows and rows[0]["error"]:
            raise AssertionError(f"{self._name}: {self._edge.event}: {rows[0]['error']}")
        return rows is not None

    def is_over(self) -> bool:
        return self._has_arrived() and all(run.finished_at for run in self._runs())

    def step(self) -> str:
        """Which one is under way."""
        live = [run.step for run in self._runs() if not run.finished_at]
        return live[0] or "the end" if live else "no run"

    def wrong(self, wanted: str) -> str | None:
        """What is not as one walk of the verb leaves it."""
        with self._world.store.read() as tx:
            node = tx.nodes.get(self._name)
        runs = len(self._runs()) - self._known
        if node.state == wanted and runs == self._takes_a_run():
            return None
        return f"{self._name}: {runs} runs of '{self._edge.event}' led to '{node.state}': {node.last_error}"

    def _enroll(self) -> bool:
        bmc = str(self._world.rack.machines[self._name].bmc.address)
        body = {"bmc": bmc, "credentials": "rack", "name": self._name}
        return self._world.client.send("POST", "/nodes", json=body) is not None

    def _takes_a_run(self) -> bool:
        return self._edge != ENROLL and bool(steps_for(self._edge))

    def _has_arrived(self) -> bool:
        if self._takes_a_run():
            return len(self._runs()) > self._known
        with self._world.store.read() as tx:
            node = tx.nodes.named([self._name]).get(self._name)
        return node is not None and node.state == self._edge.target

    def _runs(self) -> list[Run]:
        with self._world.store.read() as tx:
            node = tx.nodes.named([self._name]).get(self._name)
            return tx.runs.of_node(node.uuid) if node else []
