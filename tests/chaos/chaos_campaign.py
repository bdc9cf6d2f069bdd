"""A fleet, the seeds that drive it, and who asks; what came of it all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random

from agent_certificate import self_signed
from chaos_machine import LivingMachine
from chaos_operator import Client, Operator
from chaos_proof import Proof
from chaos_rack import Journal, Rack
from chaos_seeds import Seed
from chaos_site import LIMITS, Place, prepare

from seed.declarations import new_node

PATIENCE = 120.0  # seconds after which what does not end is stuck
SILENT = "fell silent"  # what is said of a seed whose runs another one takes over


@dataclass
class Outcome:
    """What a campaign did, and what is wrong after it."""

    name: str
    seconds: float
    seeds: int
    machines: int
    kills: int
    runs: int
    verbs: Counter[str]
    steps: int
    events: int
    destroyed: Counter[str]
    resumed: Counter[str]
    taken_over: int
    faults: Counter[str]
    lost: int
    wrong: dict[str, list[str]]
    places: dict[str, list[str]] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return not any(self.wrong.values())


class World:
    """One campaign: its store, machines, seeds and operator."""

    def __init__(
        self,
        places: Sequence[Place],
        machines: int,
        random: Random,
        *,
        pace: float = 1,
        faults: float = 0,
        asking: bool = True,
    ) -> None:
        self.random = random
        self.store = prepare(places)
        self.kills = 0
        self._began = time.monotonic()
        self._asking = asking
        ca = self_signed("127.0.0.1")[0]
        urls = [place.config().provisioning.base_url for place in places]
        fleet = [LivingMachine(n + 1, ca, urls, Random(random.random()), pace) for n in range(machines)]
        self.rack = Rack(places[0].rack, fleet, Journal(self.store), Random(random.random()), faults=faults)
        sockets = [place.config().socket for place in places]
        self.client = Client(sockets)
        self.operator = Operator(sockets, Random(random.random()))
        self.seeds = [Seed(place) for place in places]

    @contextmanager
    def running(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.callback(self.store.close)
            for seed in self.seeds:
                stack.callback(seed.close)
            stack.enter_context(self.rack)
            for seed in self.seeds:
                seed.start()
            self.operator.start(self._enrolled() if self._asking else ())
            stack.callback(self.operator.end)
            yield

    def _enrolled(self) -> list[str]:
        with self.store.write() as tx:
            for machine in self.rack.machines.values():
                tx.nodes.add(new_node(machine.bmc.address, "rack", machine.name))
        return list(self.rack.machines)

    def kill(self, seed: Seed) -> None:
        seed.kill()
        self.died()

    def died(self) -> None:
        self.kills += 1
        self.rack.settle()

    def until(self, holds: Callable[[], bool], patience: float = PATIENCE) -> bool:
        """Whether it came to hold in good time (seconds)."""
        deadline = time.monotonic() + patience
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.015)
        return True

    def is_up(self) -> bool:
        return self.client.send("GET", "/health") is not None

    def is_quiet(self) -> bool:
        with self.store.read() as tx:
            return not tx.runs.all_live()

    def outcome(self, name: str) -> Outcome:
        """When nothing is asked any more: let all runs end, stop the seeds, and look at everything."""
        self.operator.ask_no_more()
        self.until(self.is_quiet)
        self.operator.end()
        self.until(self.is_up)
        self.operator.catch_up()
        for seed in self.seeds:
            seed.kill()
        proof = Proof(
            self.store, self.rack.machines, self.rack.deeds, self.operator.followed, self.operator.accepted
        )
        kinds = Counter(event.kind for event in proof.events)
        resumed = [event.message for event in proof.events if event.kind == "run.resumed"]
        return Outcome(
            name,
            seconds=time.monotonic() - self._began,
            seeds=len(self.seeds),
            machines=len(proof.nodes),
            kills=self.kills,
            runs=len(proof.runs),
            verbs=Counter(run.verb for run in proof.runs.values()),
            steps=kinds["step.complete"],
            events=len(proof.events),
            destroyed=Counter(deed.step or deed.command for deed in proof.deeds),
            resumed=Counter(_step(message) for message in resumed),
            taken_over=sum(message.endswith(SILENT) for message in resumed),
            faults=self.rack.faults,
            lost=self.operator.lost,
            wrong={
                **proof.wrong(),
                "over the limit": _over(self.rack.most_writes, LIMITS.image_writes),
                "nothing was under way": [] if resumed else ["no seed was killed at work"],
                "refused": self.operator.refused,
                "seeds that ended by themselves": [words for seed in self.seeds for words in seed.unasked],
            },
        )


def _over(most: int, limit: int) -> list[str]:
    return [f"{most} images were written at once, of {limit} that may be"] if most > limit else []


def _step(resumed: str) -> str:
    """Of "deploy goes on at write_image: seed 'one' fell silent", or without the last part."""
    return resumed.partition(" goes on at ")[2].partition(": seed ")[0]
