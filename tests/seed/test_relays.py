"""Machines that get the same image at the same time stand in a chain; the seed serves only its first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from seed_machine import Machine
from seed_world import FILES_URL, World

from seed.steps.write_image import STEP

SEED = f"{FILES_URL}/images/debian-12"


@pytest.fixture
def ready(make_world: Callable[..., World]) -> World:
    """Four machines that are about to be deployed, and that write until they are told to finish."""
    machines = [Machine(number) for number in range(1, 5)]
    world = make_world(*machines)
    for machine in machines:
        world.at("available", machine)
        machine.agent.polls = None
    host = {"image": "debian-12", "ssh_keys": ["ssh-ed25519 AAAA"]}
    world.declare(*({"match": {"name": machine.name}, **host} for machine in machines))
    return world


def orders(machine: Machine) -> list[dict[str, Any]]:
    """The images that it was told to write in this boot."""
    steps = [told.params.get("step", {}) for told in machine.agent.told]
    return [step["args"]["image"] for step in steps if step.get("step") == STEP]


def sources(machine: Machine) -> list[str]:
    """Where it was told to get the image."""
    [order] = orders(machine)
    return list(order["urls"])


def passed_on_by(machine: Machine) -> str:
    [order] = orders(machine)
    return f"http://{machine.address}:9998/image/{order['sha512']}"


def writes(world: World, *machines: Machine) -> None:
    """Deploy these one after another, each until it writes."""
    for machine in machines:
        assert world.ask("deploy", machine).status_code == 202
        world.settle(until=lambda: bool(orders(machine)))  # noqa: B023


def test_each_fetches_from_the_one_before_it_and_from_the_seed_if_need_be(ready: World) -> None:
    first, second, third, fourth = ready.machines
    writes(ready, first, second, third)
    assert sources(first) == [SEED]
    assert sources(second) == [passed_on_by(first), SEED]
    assert sources(third) == [passed_on_by(second), SEED]

    third.agent.finish()
    ready.settle(until=lambda: ready.runs(third)[-1].step != "write_image")
    writes(ready, fourth)
    assert sources(fourth) == [passed_on_by(second), SEED]  # whom nobody asks any more


def test_a_seed_that_is_killed_knows_the_chain(ready: World) -> None:
    first, second, *_ = ready.machines
    writes(ready, first)
    ready.reopen()
    writes(ready, second)
    assert sources(second) == [passed_on_by(first), SEED]


def test_who_comes_when_nobody_writes_any_more_gets_it_from_the_seed(ready: World) -> None:
    first, second, *_ = ready.machines
    writes(ready, first)
    first.agent.finish()
    ready.settle(until=lambda: ready.runs(first)[-1].step != "write_image")
    writes(ready, second)
    assert sources(second) == [SEED]
