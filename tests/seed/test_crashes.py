"""A seed that is killed anywhere and started again goes on, and destroys nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from seed_machine import Machine
from seed_world import Fuse, Killed, World

from hwdrivers.bmc import BootDevice, BootMode, PowerState
from seed.fake_agent import WRITE

Make = Callable[..., World]


def walk(world: World, at: int | None, verb: str, *steps: str, **secrets: str) -> Fuse:
    """Take `verb` with a seed that is killed at the `at`-th place, and start another one then."""
    fuse = Fuse(at)
    world.start(fuse)
    try:
        world.request(verb, *steps, **secrets)
        world.settle()
    except Killed:
        world.start(Fuse())
        world.conductor.resume()
        if not world.runs():  # killed before the verb was accepted: the operator asks again
            world.request(verb, *steps, **secrets)
        world.settle()
    return fuse


def each_place(
    make_world: Make,
    prepare: Callable[[World], None],
    verb: str,
    at_least: int,
    *steps: str,
    **secrets: str,
) -> Iterator[World]:
    """One world for each place at which the seed was killed; there are `at_least` so many."""
    for at in count():
        world = make_world(Machine(boot_mode=BootMode.UEFI), folder=f"at-{at}")
        prepare(world)
        fuse = walk(world, at, verb, *steps, **secrets)
        if not fuse.blown:
            assert at >= at_least
            return
        world.killed_at = f"{at}: {fuse.passed[-1]}"
        yield world
        world.close()


def test_a_deploy_survives_a_kill_at_every_place(make_world: Make) -> None:
    def prepare(world: World) -> None:
        world.declare()
        world.at("available")

    for world in each_place(make_world, prepare, "deploy", 50):
        machine = world.machines[0]
        assert world.node().state == "active", world.killed_at
        assert machine.agent.count(WRITE) == 1, world.killed_at
        assert [written.disk for written in machine.agent.written] == ["/dev/nvme0n1"], world.killed_at
        assert machine.agent.count("image.install_bootloader") == 1, world.killed_at
        assert machine.bmc.power is PowerState.ON, world.killed_at
        assert machine.bmc.boots_from is BootDevice.DISK, world.killed_at
        assert machine.boots[-1] == "disk", world.killed_at
        assert [run.state for run in world.runs()] == ["done"], world.killed_at


def test_a_delete_with_its_cleaning_survives_a_kill_at_every_place(make_world: Make) -> None:
    for world in each_place(make_world, lambda world: world.at("active"), "delete", 30):
        machine = world.machines[0]
        assert world.node().state == "available", world.killed_at
        assert machine.agent.count("clean.execute_clean_step") == 1, world.killed_at
        assert machine.bmc.power is PowerState.OFF, world.killed_at
        assert [run.state for run in world.runs()] == ["done"], world.killed_at


@pytest.mark.parametrize(
    ("verb", "source", "at_least"), [("manage", "enroll", 2), ("inspect", "manageable", 15)]
)
def test_other_verbs_survive_a_kill_at_every_place(
    make_world: Make, verb: str, source: str, at_least: int
) -> None:
    for world in each_place(make_world, lambda world: world.at(source), verb, at_least):
        assert world.node().state == "manageable", world.killed_at
        assert [run.state for run in world.runs()] == ["done"], world.killed_at


def test_a_clean_of_several_steps_survives_a_kill_at_every_place(make_world: Make) -> None:
    def prepare(world: World) -> None:
        world.at("manageable")
        for step in world.machines[0].agent.offered["clean"]:
            step["reboot_requested"] = step["step"] == "erase_devices_express"

    steps = "erase_devices_express", "erase_devices_metadata"
    for world in each_place(make_world, prepare, "clean", 45, *steps):
        machine = world.machines[0]
        taken = [taken.name for taken in machine.agent.taken]
        assert taken == ["erase_devices_express", "erase_devices_metadata"], world.killed_at
        assert machine.agent.count("clean.execute_clean_step") == 2, world.killed_at
        assert world.node().state == "manageable", world.killed_at
        assert [run.state for run in world.runs()] == ["done"], world.killed_at


def test_a_hold_survives_a_kill_at_every_place(make_world: Make) -> None:
    for world in each_place(make_world, lambda world: world.at("manageable"), "clean", 12, "hold"):
        assert world.node().state == "clean hold", world.killed_at
        assert world.do("unhold").state == "manageable", world.killed_at
        assert len(world.said("run.held")) == 1, world.killed_at


def running(world: World) -> None:
    """A host that runs."""
    world.machines[0].bmc.power = PowerState.ON
    world.at("active")


def test_a_service_survives_a_kill_at_every_place(make_world: Make) -> None:
    for world in each_place(make_world, running, "service", 30, "burnin_cpu"):
        machine = world.machines[0]
        assert machine.agent.count("service.execute_service_step") == 1, world.killed_at
        assert machine.boots[-1] == "disk", world.killed_at
        assert machine.bmc.power is PowerState.ON, world.killed_at
        assert world.node().state == "active", world.killed_at
        assert [run.state for run in world.runs()] == ["done"], world.killed_at


def test_a_rescue_survives_a_kill_at_every_place(make_world: Make) -> None:
    hashed = "$6$salt$" + "x" * 86
    for world in each_place(make_world, running, "rescue", 15, rescue_password=hashed):
        machine = world.machines[0]
        assert machine.agent.rescued == hashed, world.killed_at
        assert world.node().state == "rescue", world.killed_at
        assert [run.state for run in world.runs()] == ["done"], world.killed_at


def test_an_unrescue_survives_a_kill_at_every_place(make_world: Make) -> None:
    for world in each_place(make_world, lambda world: world.at("rescue"), "unrescue", 10):
        assert world.machines[0].boots == ["disk"], world.killed_at
        assert world.node().state == "active", world.killed_at
        assert [run.state for run in world.runs()] == ["done"], world.killed_at


def test_an_adoption_survives_a_kill_at_every_place(make_world: Make) -> None:
    def prepare(world: World) -> None:
        world.machines[0].bmc.power = PowerState.ON
        world.declare()
        world.at("manageable")

    for world in each_place(make_world, prepare, "adopt", 2):
        assert world.node().state == "active", world.killed_at
        assert world.node().instance is not None, world.killed_at
        assert world.machines[0].deeds == [], world.killed_at
        assert [run.state for run in world.runs()] == ["done"], world.killed_at


def test_a_decommission_survives_a_kill_at_every_place(make_world: Make) -> None:
    for world in each_place(make_world, lambda world: world.at("available"), "decommission", 30):
        machine = world.machines[0]
        assert machine.agent.count("clean.execute_clean_step") == 1, world.killed_at
        assert len(world.events("decommission.evidence")) == 1, world.killed_at
        assert machine.bmc.power is PowerState.OFF, world.killed_at
        assert world.node().state == "decommissioned", world.killed_at
        assert [run.state for run in world.runs()] == ["done"], world.killed_at
