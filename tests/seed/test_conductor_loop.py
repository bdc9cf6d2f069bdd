"""The conductor's own thread: it takes what is due, sleeps through nothing, and stops."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from eventually import until
from seed_machine import Machine
from seed_world import World

from seed.conductor import Conductor
from seed.errors import StoreFailed
from seed.images import Images
from seed.instances import Instances
from seed.lifecycle import ironic_39
from seed.requests import Request, Requests
from seed.step import Complete, Result, Waiting, Walk
from seed.store import Store, Transaction
from seed.verbs import STEPS

IMAGES = Images(Path("none"), "", "ramdisk")


@dataclass
class Gate:
    """A step that says when it is entered and goes on when it is let."""

    answers: list[Result] = field(default_factory=lambda: [Complete("done")])
    name: str = "verify_credentials"
    timeout: timedelta = timedelta(minutes=5)
    abortable: bool = True
    needs: str | None = None
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    let: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def execute(self, walk: Walk) -> Result:
        self.entered.release()
        assert self.let.acquire(timeout=60)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def wait_entered(self) -> None:
        assert self.entered.acquire(timeout=60)


@pytest.fixture
def store(world: World) -> Store:
    """On the real clock: the loop waits by it."""
    return Store(world.where, world.key)


@contextmanager
def serving(store: Store, *gates: Gate) -> Iterator[Conductor]:
    steps = {step.name: step for step in gates}
    conductor = Conductor(store, ironic_39(), steps, workers=4, limits={"image write": 1})
    thread = threading.Thread(target=conductor.serve)
    thread.start()
    try:
        yield conductor
    finally:
        for step in gates:
            step.let.release(20)
        conductor.stop()
        thread.join(60)
        assert not thread.is_alive()


def ask(store: Store, conductor: Conductor, node: str = "node-1", verb: str = "manage") -> None:
    requests = Requests(store, ironic_39(), conductor.advance, Instances(store, IMAGES, ""), conductor.wake)
    with store.read() as tx:
        uuid = tx.nodes.get(node).uuid
    requests.request(Request(uuid, verb, "alice"))


def state_of(store: Store, name: str = "node-1") -> str:
    with store.read() as tx:
        return tx.nodes.get(name).state


def test_a_request_is_taken_while_the_loop_sleeps(world: World, store: Store) -> None:
    world.enroll()
    step = Gate()
    with serving(store, step) as conductor:
        for _ in range(3):
            ask(store, conductor)
            step.wait_entered()
            step.let.release()
            until(lambda: state_of(store) == "manageable")
            with store.write() as tx:
                tx.nodes.move(tx.nodes.get("node-1"), "enroll", None)


def test_several_nodes_are_walked_at_once(world: World, store: Store) -> None:
    for number in range(1, 5):
        world.at("enroll", Machine(number))
    step = Gate()
    with serving(store, step) as conductor:
        for number in range(1, 5):
            ask(store, conductor, f"node-{number}")
        for _ in range(4):
            step.wait_entered()
        for _ in range(4):
            step.let.release()
        until(lambda: all(state_of(store, f"node-{number}") == "manageable" for number in range(1, 5)))


def test_a_call_that_comes_while_the_step_is_executed_is_not_lost(world: World, store: Store) -> None:
    world.enroll()
    step = Gate(answers=[Waiting("the agent", timedelta(hours=1)), Complete("it called")])
    with serving(store, step) as conductor:
        ask(store, conductor)
        step.wait_entered()
        with store.write() as tx:
            tx.runs.wake(tx.nodes.get("node-1").uuid)
        step.let.release()
        step.wait_entered()
        step.let.release()
        until(lambda: state_of(store) == "manageable")


def test_a_stop_lets_the_step_finish_and_starts_no_other(world: World, store: Store) -> None:
    world.at("enroll", Machine(1))
    world.at("enroll", Machine(2))
    step = Gate()
    with serving(store, step) as conductor:
        ask(store, conductor)
        step.wait_entered()
        conductor.stop()
        step.let.release()
    assert state_of(store) == "manageable"
    ask(store, conductor, "node-2")
    assert state_of(store, "node-2") == "verifying"


def test_what_a_dead_seed_held_is_resumed(world: World, store: Store) -> None:
    world.enroll()
    step = Gate()
    dead = Conductor(store, ironic_39(), {step.name: step})
    ask(store, dead)
    with store.claim() as tx:
        assert len(tx.runs.claim(dead.name, datetime.now(UTC) + timedelta(hours=1), 1)) == 1
    with serving(store, step):
        step.wait_entered()
        step.let.release()
        until(lambda: state_of(store) == "manageable")
    assert world.said("run.resumed") == ["manage goes on at verify_credentials"]


def test_a_step_is_not_executed_again_meanwhile_though_its_lease_ran_out(world: World, store: Store) -> None:
    world.at("enroll", Machine(1))
    world.at("enroll", Machine(2))
    step = Gate()
    with serving(store, step) as conductor:
        ask(store, conductor)
        step.wait_entered()
        with store.write() as tx:  # a store that was away for longer than the lease could not be told
            held = [run.id for run in tx.runs.all_live().values()]
            tx.runs.renew(conductor.name, datetime.now(UTC) - timedelta(seconds=1), held)
        ask(store, conductor, "node-2")
        step.wait_entered()
    assert not step.entered.acquire(blocking=False)
    assert state_of(store) == state_of(store, "node-2") == "manageable"


def test_a_step_that_this_release_does_not_have(world: World, store: Store) -> None:
    world.enroll()
    ask(store, Conductor(store, ironic_39(), {}))
    Conductor(store, ironic_39(), {}).run_until_idle()
    assert state_of(store) == "enroll"
    assert "has no such step" in (world.node().last_error or "")


def test_a_broken_step_fails_the_run_and_tells_no_details(
    world: World, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Gate):
        def execute(self, walk: Walk) -> Result:
            raise KeyError("inside")

    world.enroll()
    step = Broken()
    conductor = Conductor(store, ironic_39(), {step.name: step})
    ask(store, conductor)
    conductor.run_until_idle()
    assert state_of(store) == "enroll"
    assert "internal error in step verify_credentials (KeyError)" in (world.node().last_error or "")
    assert "KeyError: 'inside'" in caplog.text


class Away(Store):
    """A store that is away at the next so many claims."""

    claims_lost = 0

    def claim(self) -> AbstractContextManager[Transaction]:
        if self.claims_lost:
            self.claims_lost -= 1
            raise StoreFailed("the server is away")
        return super().claim()


def test_a_run_that_goes_on_is_not_lost_when_the_store_is_away_for_the_next_claim(world: World) -> None:
    world.at("manageable")
    store = Away(world.where, world.key)
    gates = [Gate(name=name) for name in STEPS["inspecting"]]
    with serving(store, *gates) as conductor:
        ask(store, conductor, verb="inspect")
        gates[0].wait_entered()
        store.claims_lost = 1  # the loop saves the answer, and then claims what else is due
        for step in gates:
            step.let.release()
        for step in gates[1:]:
            step.wait_entered()
        until(lambda: state_of(store) == "manageable")
    assert store.claims_lost == 0


def test_a_broken_follower_does_not_stop_the_walk(world: World, store: Store) -> None:
    def broken() -> None:
        raise KeyError("inside")

    world.at("enroll")
    step = Gate()
    with serving(store, step) as conductor:
        conductor.follow(broken)
        ask(store, conductor)
        step.wait_entered()
        step.let.release()
        until(lambda: state_of(store) == "manageable")
