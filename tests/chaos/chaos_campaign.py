"""A fleet, the seed that drives it, and who kills the seed; what came of it all."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from agent_certificate import self_signed
from chaos_machine import LivingMachine
from chaos_operator import Client, Operator
from chaos_proof import Proof
from chaos_rack import Journal, Rack
from chaos_site import Place

from seed.declarations import new_node

UNBORN = 0.2  # share of the kills that do not wait until the seed answers
PATIENCE = 120.0  # seconds after which what does not end is stuck


class Zygote:
    """The process that forks seeds."""

    def __init__(self, place: Place) -> None:
        command = [sys.executable, str(Path(__file__).with_name("chaos_zygote.py"))]
        command += [str(place.folder), str(place.port), str(place.fast_track)]
        self._log = (place.folder / "seed.log").open("ab")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self.pid = 0
        self.started = 0
        self.unasked: list[str] = []  # seeds that ended otherwise than by SIGKILL

    def start(self) -> None:
        self.pid = int(self._order("start"))
        self.started += 1

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        status = int(self._order(f"wait {self.pid}"))
        if status != -signal.SIGKILL:
            self.unasked.append(f"seed {self.pid} ended by itself with {status}; see seed.log")

    def close(self) -> None:
        """Its seeds die with it."""
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self._log.close()

    def _order(self, words: str) -> str:
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the zygote is gone; see {self._log.name}")
        return answer


@dataclass
class Outcome:
    """What a campaign did, and what is wrong after it."""

    name: str
    seconds: float
    machines: int
    kills: int
    runs: int
    verbs: Counter[str]
    steps: int
    events: int
    destroyed: Counter[str]
    resumed: Counter[str]
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
        self, place: Place, machines: int, random: Random, *, pace: float, faults: float, asking: bool
    ) -> None:
        self.place = place
        self.random = random
        self.store = place.prepare()
        self.kills = 0
        self._began = time.monotonic()
        ca = self_signed("127.0.0.1")[0]
        url = place.config().provisioning.base_url
        fleet = [
            LivingMachine(number + 1, ca, [url], Random(random.random()), pace) for number in range(machines)
        ]
        self.rack = Rack(place.rack, fleet, Journal(self.store), Random(random.random()), faults=faults)
        sockets = [place.config().socket]
        names = [machine.name for machine in fleet]
        self.operator = Operator(sockets, names, Random(random.random()), asking=asking)
        self.client = Client(sockets)
        self.zygote = Zygote(place)

    def enroll_all(self) -> None:
        with self.store.write() as tx:
            for machine in self.rack.machines.values():
                tx.nodes.add(new_node(machine.bmc.address, "rack", machine.name))

    @contextmanager
    def running(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.callback(self.store.close)
            stack.callback(self.zygote.close)
            stack.enter_context(self.rack)
            self.zygote.start()
            self.operator.start()
            stack.callback(self.operator.end)
            yield

    def kill(self) -> None:
        """SIGKILL, and the next seed."""
        self.zygote.kill()
        self.reborn()

    def reborn(self) -> None:
        self.kills += 1
        self.rack.settle()
        self.zygote.start()

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
        """When nothing is asked any more: let all runs end, stop the seed, and look at everything."""
        self.operator.ask_no_more()
        self.until(self.is_quiet)
        self.operator.end()
        self.until(self.is_up)
        self.operator.catch_up()
        self.zygote.kill()
        proof = Proof(
            self.store, self.rack.machines, self.rack.deeds, self.operator.followed, self.operator.accepted
        )
        kinds = Counter(event.kind for event in proof.events)
        resumed = [event for event in proof.events if event.kind == "run.resumed"]
        return Outcome(
            name,
            seconds=time.monotonic() - self._began,
            machines=len(self.rack.machines),
            kills=self.kills,
            runs=len(proof.runs),
            verbs=Counter(run.verb for run in proof.runs.values()),
            steps=kinds["step.complete"],
            events=len(proof.events),
            destroyed=Counter(deed.step or deed.command for deed in proof.deeds),
            resumed=Counter(event.message.partition(" goes on at ")[2] for event in resumed),
            faults=self.rack.faults,
            lost=self.operator.lost,
            wrong={
                **proof.wrong(),
                "nothing was under way": [] if resumed else ["no seed was killed at work"],
                "refused": self.operator.refused,
                "seeds that ended by themselves": self.zygote.unasked,
            },
        )


def random_kills(
    folder: Path, *, kills: int, machines: int, mean: float, faults: float, seed: int
) -> Outcome:
    """Kill the seed while a fleet is driven, `mean` seconds after it answered or after it began to start."""
    random = Random(seed)
    world = World(place(folder, fast_track=True), machines, random, pace=1, faults=faults, asking=True)
    world.enroll_all()
    with world.running():
        for _ in range(kills):
            if random.random() >= UNBORN:
                world.until(world.is_up)
            time.sleep(random.expovariate(1 / mean))
            world.kill()
        return world.outcome("random kills")


def place(folder: Path, *, fast_track: bool) -> Place:
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Place(folder, free.getsockname()[1], fast_track)
