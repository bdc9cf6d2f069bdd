"""The power sync: what it sees, tells and mends; whom it leaves alone; what a silent BMC costs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from eventually import until
from seed_machine import PASSWORD, Machine
from seed_world import World

from hwdrivers.bmc import PowerAction, PowerState
from hwdrivers.conduct import Time
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import Unsupported
from hwdrivers.fake import FakeBMC, FakeRack, Fault
from hwdrivers.governor import Governor, unpaced
from hwdrivers.thread_sweep import ThreadSweep
from seed.learnt import Learnt
from seed.lifecycle import ironic_39
from seed.model import RunState
from seed.plans.plan import Options, RolloutState
from seed.power.sync import PowerSync
from seed.store import Store

ON, OFF = PowerState.ON, PowerState.OFF


class Hooked(FakeBMC):
    """Has something happen while it is asked."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.when_asked: Callable[[], object] = lambda: None
        self.when_switched: Callable[[], object] = lambda: None

    def power_state(self) -> PowerState:
        said = super().power_state()
        self.when_asked()
        return said

    def request_power(self, action: PowerAction) -> None:
        self.when_switched()
        super().request_power(action)


def machine(number: int = 1, power: PowerState = ON) -> Machine:
    made = Machine(number, bmc=Hooked)
    made.bmc.power = power
    return made


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world(machine())


def govern(world: World, at_once: int = 32) -> Governor:
    """By the world's clock; what it learnt in the store comes back."""

    def now() -> float:
        return world.clock().timestamp()

    rack = FakeRack(*(each.bmc for each in world.machines))
    learnt, sweep = Learnt(world.store), ThreadSweep(rack.connect, at_once)
    return Governor(unpaced(rack.connect), sweep, recall=learnt.recall, clock=Time(now, now))


def sync(
    world: World,
    name: str = "seed",
    store: Store | None = None,
    governor: Governor | None = None,
    **options: Any,
) -> PowerSync:
    power = governor or govern(world)
    options = {"clock": world.clock, "interval": 60, "randomness": lambda: 0.5, **options}
    return PowerSync(store or world.store, ironic_39(), power, world.conductor.wake, name=name, **options)


def sweeps(world: World, power: PowerSync, times: int = 1) -> None:
    """Once a minute."""
    for _ in range(times):
        power.sweep()
        world.pass_time(seconds=60)


def at(world: World, state: str = "active", expected: PowerState = ON, **facts: Any) -> None:
    """All machines' nodes, left in the power that is expected."""
    for each in world.machines:
        world.at(state, each, power=expected.value, expected_power=expected.value, **facts)


def told(world: World) -> list[tuple[str, str]]:
    return [(e.kind, e.message) for e in world.events() if e.kind.startswith(("power.", "fault"))]


def powers(world: World) -> tuple[str | None, str | None]:
    return world.node().power, world.node().expected_power


def asked(world: World) -> int:
    return len(world.machines[0].bmc.logins)


# -- what is seen ----------------------------------------------------------------------------------


def test_drift_is_told_when_it_begins_and_when_it_ends(world: World) -> None:
    at(world)
    power, bmc = sync(world), world.machines[0].bmc
    sweeps(world, power, 2)
    assert told(world) == []
    bmc.power = OFF
    sweeps(world, power, 3)
    assert powers(world) == ("power off", "power on")
    assert told(world) == [("power.drift", "was switched off outside of the seed")]
    sweeps(world, sync(world), 1)  # a seed that was started anew knows that it was told
    bmc.power = ON
    sweeps(world, power, 2)
    assert powers(world) == ("power on", "power on")
    assert told(world)[1:] == [("power.settled", "is powered on again, as the seed left it")]
    assert world.node().state == "active"
    assert world.runs() == []


def test_what_is_as_it_was_writes_nothing(world: World) -> None:
    at(world)
    before = world.node(), world.events()
    power = sync(world)
    sweeps(world, power)
    with world.store.write():  # the lease is there; whoever writes more would have to wait
        world.pass_time(seconds=-60)
        power.sweep()
    assert (world.node(), world.events()) == before


def test_accepted_drift_is_what_is_expected(world: World) -> None:
    at(world, power_policy="accept")
    world.machines[0].bmc.power = OFF
    sweeps(world, sync(world), 2)
    assert powers(world) == ("power off", "power off")
    assert told(world) == [
        ("power.drift", "was switched off outside of the seed"),
        ("power.accepted", "powered off is what is expected from now on"),
    ]


def test_a_policy_that_is_set_later_ends_the_drift(world: World) -> None:
    at(world)
    world.machines[0].bmc.power = OFF
    power = sync(world)
    sweeps(world, power)
    world.operator.post("/nodes/flags", json={"nodes": ["node-1"], "power_policy": "accept"})
    sweeps(world, power, 2)
    assert powers(world) == ("power off", "power off")
    assert [kind for kind, _ in told(world)] == ["power.drift", "power.accepted"]


def test_what_nobody_knows_yet_is_no_drift(world: World) -> None:
    at(world)
    with world.store.write() as tx:
        tx.nodes.update(world.node().uuid, power=None, expected_power=None)
    sweeps(world, sync(world), 2)
    assert powers(world) == ("power on", "power on")
    assert told(world) == []


def test_a_run_that_failed_leaves_power_as_it_is(world: World) -> None:
    """It was off for the boot from the network, and nobody wrote that down."""
    at(world, "manageable")
    bmc = world.machines[0].bmc
    assert isinstance(bmc, Hooked)

    def break_down() -> None:
        if bmc.power is OFF:
            raise Unsupported.at(bmc.address, "go on", "firmware is broken", "replace it")

    bmc.when_asked = break_down
    world.do("inspect")
    assert world.runs()[-1].state is RunState.FAILED
    bmc.when_asked = lambda: None
    sweeps(world, sync(world), 2)
    assert powers(world) == ("power off", "power off")
    assert [kind for kind, _ in told(world) if kind != "power.on"] == []


# -- what is mended --------------------------------------------------------------------------------


@pytest.mark.parametrize(("expected", "found"), [(ON, OFF), (OFF, ON)])
def test_power_is_restored_and_the_journal_knows_first(
    world: World, expected: PowerState, found: PowerState
) -> None:
    at(world, "active" if expected is ON else "available", expected, power_policy="restore", protected=True)
    state, bmc = world.node().state, world.machines[0].bmc
    assert isinstance(bmc, Hooked)
    bmc.power = found
    journal: list[str] = []
    bmc.when_switched = lambda: journal.extend(world.said("power.on") + world.said("destructive"))
    power = sync(world)
    power.sweep()
    assert world.ask("manage").status_code == 409  # the run is under way
    world.conductor.run_until_idle()
    assert bmc.power is expected
    assert journal == [f"switching node-1 back to '{expected}'"]
    (run,) = world.runs()
    assert (run.verb, run.who, run.state) == ("restore power", "power sync", RunState.DONE)
    assert world.node().state == state
    assert world.node().last_error is None
    assert powers(world) == (expected, expected)
    sweeps(world, power, 3)
    assert len(world.runs()) == 1


def test_what_cannot_be_restored_is_tried_less_and_less(world: World) -> None:
    at(world, power_policy="restore")
    bmc = world.machines[0].bmc
    assert isinstance(bmc, Hooked)
    bmc.power = OFF

    def refuse() -> None:
        raise Unsupported.at(bmc.address, "switch on", "a fan is missing", "put one in")

    bmc.when_switched = refuse
    power = sync(world)
    for _ in range(31):
        power.sweep()
        world.conductor.run_until_idle()
        world.pass_time(minutes=1)
    assert [run.state for run in world.runs()] == [RunState.FAILED] * 5  # after 0, 1, 3, 7 and 15 minutes
    assert "restore_power: ipmi://192.0.2.1: cannot switch on: a fan is missing" in str(
        world.node().last_error
    )
    assert (world.node().state, world.node().fault) == ("active", None)
    assert [kind for kind, _ in told(world)].count("power.drift") == 1
    bmc.when_switched = lambda: None
    power.sweep()
    world.conductor.run_until_idle()
    assert (bmc.power, world.node().last_error) == (ON, None)
    assert world.runs()[-1].state is RunState.DONE


def test_what_a_rollout_is_to_change_is_left_to_it(world: World) -> None:
    """A run that restores power would make its verb fail."""
    at(world, power_policy="restore")
    world.machines[0].bmc.power = OFF
    with world.store.write() as tx:
        row = {"node": world.node().uuid, "verbs": ["rebuild"], "becomes": None}
        rollout = tx.rollouts.open("alice", Options(), {}, [row])
    power = sync(world)
    sweeps(world, power, 2)
    assert world.runs() == []
    assert told(world) == [("power.drift", "was switched off outside of the seed")]
    with world.store.write() as tx:
        tx.rollouts.move(rollout.id, RolloutState.STOPPED, "by alice", ended=True)
    sweeps(world, power)
    assert [run.verb for run in world.runs()] == ["restore power"]


# -- who is left alone -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "facts"),
    [("enroll", {}), ("decommissioned", {}), ("active", {"maintenance": True})],
)
def test_who_is_not_asked(world: World, state: str, facts: dict[str, Any]) -> None:
    at(world, state, **facts)
    world.machines[0].bmc.power = OFF
    sweeps(world, sync(world), 2)
    assert asked(world) == 0
    assert powers(world) == ("power on", "power on")


def test_a_node_with_a_run_is_not_asked(world: World) -> None:
    at(world, "manageable")
    assert world.ask("inspect").status_code == 202
    sweeps(world, sync(world), 2)
    assert asked(world) == 0


def test_a_run_that_begins_meanwhile_wins(world: World) -> None:
    at(world, "manageable", power_policy="restore")
    bmc = world.machines[0].bmc
    assert isinstance(bmc, Hooked)
    bmc.power = OFF
    bmc.when_asked = lambda: world.ask("inspect")
    sync(world).sweep()
    bmc.when_asked = lambda: None
    assert [run.verb for run in world.runs()] == ["inspect"]
    assert told(world) == []
    assert powers(world) == ("power on", "power on")


def test_a_run_that_begins_while_others_are_asked_keeps_its_bmc_for_itself(
    make_world: Callable[..., World],
) -> None:
    world = make_world(machine(1), machine(2))
    at(world, "manageable")

    def begin(other: Machine) -> None:
        if world.runs(other) == []:
            world.ask("inspect", other)
            world.pass_time(seconds=12)  # what a silent BMC takes

    first, second = world.machines
    for each, other in ((first, second), (second, first)):
        assert isinstance(each.bmc, Hooked)
        each.bmc.when_asked = lambda other=other: begin(other)  # type: ignore[misc]
    sync(world, governor=govern(world, at_once=1)).sweep()
    assert sorted(len(each.bmc.logins) for each in world.machines) == [0, 1]


def test_so_does_one_that_has_ended_already(world: World) -> None:
    at(world, "manageable")
    bmc = world.machines[0].bmc
    assert isinstance(bmc, Hooked)
    bmc.power = OFF

    def run() -> None:
        with world.store.write() as tx:
            done = tx.runs.open(tx.runs.new(world.node().uuid, "inspect", "alice", ("record_inventory",)))
            tx.runs.save([replace(done, state=RunState.DONE, finished_at=world.clock())])

    bmc.when_asked = run
    power = sync(world)
    power.sweep()
    assert told(world) == []
    bmc.when_asked = lambda: None
    power.sweep()
    assert told(world) == [("power.drift", "was switched off outside of the seed")]


def test_a_node_that_is_gone_meanwhile(world: World) -> None:
    at(world, "available")
    bmc = world.machines[0].bmc
    assert isinstance(bmc, Hooked)
    bmc.power = OFF
    bmc.when_asked = lambda: world.operator.request("DELETE", "/nodes/node-1")
    sync(world).sweep()
    assert world.operator.get("/nodes").json() == []
    assert told(world) == []


# -- who does not answer ---------------------------------------------------------------------------


def test_a_bmc_that_is_silent_for_three_sweeps_is_a_fault(world: World) -> None:
    at(world)
    power, bmc = sync(world), world.machines[0].bmc
    bmc.faults.add(Fault.TIME_OUT)
    sweeps(world, power, 2)
    assert (world.node().fault, told(world)) == (None, [])
    sweeps(world, power)
    silent = "ipmi://192.0.2.1: cannot log in: no answer; check the cable"
    assert world.node().fault == silent
    assert told(world) == [("fault", f"its BMC cannot be asked: {silent}")]
    assert world.node().state == "active"
    assert world.node().last_error is None
    sweeps(world, power, 60)
    assert asked(world) == 3 + 5 + 14  # the pauses double from 4 s on, up to 4 minutes
    bmc.faults.clear()
    sweeps(world, power, 5)
    assert world.node().fault is None
    assert told(world)[1:] == [("fault.cleared", "its BMC answers again")]


def test_silence_now_and_then_is_no_fault(world: World) -> None:
    at(world)
    power, bmc = sync(world), world.machines[0].bmc
    for _ in range(4):
        bmc.faults.add(Fault.TIME_OUT)
        sweeps(world, power, 2)
        bmc.faults.clear()
        sweeps(world, power)
    assert (world.node().fault, told(world)) == (None, [])


def test_a_log_in_that_is_refused_is_not_tried_again(world: World) -> None:
    at(world)
    with world.store.write() as tx:
        tx.credentials.put("rack", Credentials("admin", Secret("mistyped")))
    power = sync(world)
    sweeps(world, power, 2)
    assert "it refused this log-in at 2026-11-22 12:00 UTC" in str(world.node().fault)
    sweeps(world, power, 100)
    assert asked(world) == 1
    with world.store.write() as tx:
        tx.credentials.put("rack", Credentials("admin", Secret(PASSWORD)))
    sweeps(world, power)
    assert asked(world) == 2
    assert world.node().fault is None
    assert [kind for kind, _ in told(world)] == ["fault", "fault.cleared"]
    assert PASSWORD not in str(world.events())


def test_a_node_whose_credentials_are_not_there(world: World) -> None:
    at(world, credentials="other")
    sweeps(world, sync(world), 3)
    assert "no credentials 'other'; there are: rack" in str(world.node().fault)


def test_a_broken_driver_keeps_no_other_node_from_being_looked_at(make_world: Callable[..., World]) -> None:
    world = make_world(machine(1, OFF), machine(2, OFF))
    at(world)
    bmc = world.machines[0].bmc
    assert isinstance(bmc, Hooked)

    def break_down() -> None:
        raise ValueError("a bug")

    bmc.when_asked = break_down
    sync(world).sweep()
    assert [world.node(each).power for each in world.machines] == ["power on", "power off"]


def test_a_slow_bmc_keeps_nobody_else_waiting(make_world: Callable[..., World]) -> None:
    world = make_world(*(machine(number, OFF) for number in range(1, 101)))
    at(world)
    slow = world.machines[0].bmc
    assert isinstance(slow, Hooked)
    slow.when_asked = lambda: until(lambda: len(world.said("power.drift")) >= 48)
    sync(world, governor=govern(world, at_once=2)).sweep()
    assert len(world.said("power.drift")) == 100


# -- the loop --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_one_of_two_seeds_sweeps_until_it_dies(world: World) -> None:
    at(world)
    other = Store(world.where, world.key, clock=world.clock)
    first, second = sync(world, "one"), sync(world, "two", other)
    for _ in range(5):
        sweeps(world, first)
        second.sweep()
    assert asked(world) == 5
    world.machines[0].bmc.power = OFF
    sweeps(world, second, 3)
    assert asked(world) == 6
    assert told(world) == [("power.drift", "was switched off outside of the seed")]
    first.sweep()  # it was only slow
    assert asked(world) == 6
    other.close()


def test_a_seed_that_lost_the_lease_meanwhile_saves_nothing(world: World) -> None:
    at(world)
    bmc = world.machines[0].bmc
    assert isinstance(bmc, Hooked)
    bmc.power = OFF

    def oversleep() -> None:
        world.pass_time(hours=1)
        with world.store.write() as tx:
            assert tx.leases.take("power sync", "another", world.clock() + timedelta(minutes=1))

    bmc.when_asked = oversleep
    sync(world).sweep()
    assert told(world) == []


@contextmanager
def running(world: World, **options: Any) -> Iterator[PowerSync]:
    store = Store(world.where, world.key)
    power = sync(world, store=store, **{"interval": 0.01, **options})
    with power.running():
        yield power
    store.close()


def test_the_loop_sweeps_again_and_again_and_ends(make_world: Callable[..., World]) -> None:
    world = make_world(machine())
    at(world)
    with running(world):
        until(lambda: asked(world) > 2)
        world.machines[0].bmc.power = OFF
        until(lambda: world.said("power.drift") != [])
    seen = asked(world)
    with world.store.read() as tx:
        assert tx.leases.holder("power sync") is None
    assert asked(world) == seen


def test_the_loop_outlives_a_store_that_does_not_answer(world: World) -> None:
    at(world)
    with running(world):
        until(lambda: asked(world) > 0)
        with world.store.write() as tx:  # a secret that another key made: every sweep raises
            tx._connection.exec_driver_sql("UPDATE secret SET ciphertext = 'torn'")
        seen = asked(world)
        with world.store.write() as tx:
            tx.credentials.put("rack", Credentials("admin", Secret(PASSWORD)))
        until(lambda: asked(world) > seen + 1)


def test_an_interval_of_zero_is_never(world: World) -> None:
    at(world)
    with running(world, interval=0):
        assert "power sync" not in [thread.name for thread in threading.enumerate()]
