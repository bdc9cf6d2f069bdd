"""The machines of a campaign, which outlive the seeds, and the socket on which seeds reach them."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from random import Random
from typing import Any

import httpx
from chaos_machine import WRITES, LivingMachine

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import BMCError, BMCTimeout
from seed.agent_steps import name_of
from seed.model import Event
from seed.store import Store

QUICK = 0.004  # seconds that a BMC or an agent takes to answer, at most
DESTROY = (WRITES, "clean.execute_clean_step", "service.execute_service_step")
REST = 60  # calls between two faults of one machine, so that no run fails by hardware alone


@dataclass(frozen=True)
class Deed:
    """Something that may destroy, as it arrived at a machine; `announced`: what was journaled by then.

    `step`: which step of the agent, interface and name; "" where the command is no step.
    """

    machine: str
    run: int | None
    command: str
    step: str
    announced: tuple[str, ...]


class Journal:
    """What the store says at the moment when a machine is asked to destroy something."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[str, list[Event]] = {}

    def deed(self, machine: str, command: str, step: str) -> Deed:
        with self._store.read() as tx:
            node = tx.nodes.get(machine)
            run = tx.runs.live(node.uuid)
            seen = self._seen.setdefault(machine, [])
            seen += tx.events.after(seen[-1].id if seen else 0, node=node.uuid, limit=100_000)
        if run is None:
            return Deed(machine, None, command, step, ())
        announced = [e.message for e in seen if e.run == run.id and e.kind == "destructive"]
        return Deed(machine, run.id, command, step, tuple(announced))


class Rack:
    """Answers seeds, each call in a thread of its own; the first and the last word stay with the machine."""

    def __init__(
        self,
        path: Path,
        machines: Sequence[LivingMachine],
        journal: Journal,
        random: Random,
        *,
        faults: float,
    ) -> None:
        """`faults`: the share of calls that time out, before or after they did what they should."""
        self.machines = {machine.name: machine for machine in machines}
        self.deeds: list[Deed] = []
        self.most_writes = 0  # of images, at once
        self.faults = Counter[str]()
        self._by_bmc = {str(machine.bmc.address): machine for machine in machines}
        self._by_address = {machine.address: machine for machine in machines}
        self._path = str(path)
        self._journal = journal
        self._random = random
        self._share = faults
        self._rests: Counter[str] = Counter()
        self._calls: set[threading.Thread] = set()
        self._listener = Listener(self._path, "AF_UNIX", backlog=256)
        self._thread = threading.Thread(target=self._accept, name="rack", daemon=True)

    def __enter__(self) -> Rack:
        self._thread.start()
        for machine in self.machines.values():
            machine.start()
        return self

    def __exit__(self, *_: object) -> None:
        for machine in self.machines.values():
            machine.end()
        self._listener.close()

    def settle(self) -> None:
        """Wait until all that a dead seed had sent has arrived: a network is quicker than a seed's start."""
        with Client(self._path, "AF_UNIX") as barrier:  # accepted after all that knocked before
            barrier.send(None)
            barrier.recv()
        for call in list(self._calls):
            call.join()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                return
            call = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            call.start()
            self._calls = {each for each in self._calls if each.is_alive()} | {call}

    def _serve(self, connection: Connection) -> None:
        with connection:
            try:
                asked = connection.recv()
                connection.send(self._answer(*asked) if asked else None)
            except (EOFError, OSError):  # the seed died before it had asked, or before it was answered
                return

    def _answer(self, kind: str, whom: str, what: str, arguments: tuple[Any, ...]) -> Any:
        machine = (self._by_bmc if kind == "bmc" else self._by_address)[whom]
        if kind == "ssh":
            return machine.agent.rescued is not None
        try:
            lost = self._fault(machine, kind)
            if lost == "request":
                raise _silence(kind, machine)
            time.sleep(self._random.uniform(0, QUICK))
            answer = (
                self._bmc(machine, what, arguments)
                if kind == "bmc"
                else self._agent(machine, what, arguments)
            )
            time.sleep(self._random.uniform(0, QUICK))
            if lost == "answer":
                raise _silence(kind, machine)
        except (BMCError, httpx.HTTPError) as error:
            return error
        return answer

    def _bmc(self, machine: LivingMachine, what: str, arguments: tuple[Any, ...]) -> Any:
        if what != "connect":
            return machine.ask_bmc(what, *arguments)
        username, password = arguments
        login = Credentials(username, Secret(password))
        machine.ask_bmc("connect", Endpoint(machine.bmc.address, login))
        return None

    def _agent(self, machine: LivingMachine, what: str, arguments: tuple[Any, ...]) -> Any:
        deed = None
        if what in DESTROY:
            step = json.loads(arguments[2])["params"].get("step")
            deed = self._journal.deed(machine.name, what, name_of(step) if step and what != WRITES else "")
        status, content = machine.ask_agent(*arguments)
        if deed and status == 200:
            self.deeds.append(deed)
            writing = sum(each.is_writing() for each in self.machines.values())
            self.most_writes = max(self.most_writes, writing)
        return status, content

    def _fault(self, machine: LivingMachine, kind: str) -> str | None:
        """Which part of a call gets lost, if any; never twice in a short while at one machine."""
        self._rests[machine.name] -= 1
        if self._rests[machine.name] > 0 or self._random.random() >= self._share:
            return None
        self._rests[machine.name] = REST
        lost = self._random.choice(("request", "answer"))
        self.faults[f"{kind}: {lost} lost"] += 1
        return lost


def _silence(kind: str, machine: LivingMachine) -> Exception:
    if kind == "agent":
        return httpx.ReadTimeout("no answer came")
    address: BMCAddress = machine.bmc.address
    return BMCTimeout.at(address, "hear from it", "no answer came", "try again")
