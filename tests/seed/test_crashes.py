"""A seed that is killed anywhere and started again goes on, and destroys nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from seed_machine import Machine
from seed_world import Fuse, Killed, World

from hwdrivers.bmc import BootDevice, BootMode, PowerState

Make = Callable[..., World]


def walk(world: World, verb: str, at: int | None) -> Fuse:
    """Take `verb` with a seed that is killed at the `at`-th place, and start another one then."""
    fuse = Fuse(at)
    world.start(fuse)
    try:
        world.request(verb)
        world.settle()
    except Killed:
        world.start(Fuse())
        world.conductor.resume()
        if not world.runs():  # killed before the verb was accepted: the operator asks again
            world.request(verb)
        world.settle()
    return fuse


def each_place(
    make_world: Make, prepare: Callable[[World], None], verb: str, at_least: int
) -> Iterator[World]:
    """One world for each place at which the seed was killed; there are `at_least` so many."""
    for at in count():
        world = make_world(Machine(boot_mode=BootMode.UEFI), folder=f"at-{at}")
        prepare(world)
        fuse = walk(world, verb, at)
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
        assert machine.agent.count("standby.prepare_image") == 1, world.killed_at
        assert [written.disk for written in machine.agent.written] == ["/dev/nvme0n1"], world.killed_at
        assert machine.agent.count("image.install_bootloader") == 1, world.killed_at
        assert machine.bmc.power is PowerState.ON, world.killed_at
        assert machine.bmc.boot_device is BootDevice.DISK, world.killed_at
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
