"""Flags beside the state: set on all named nodes or none, told with who and why; what they halt."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from seed_machine import Machine
from seed_world import World

from seed.model import PowerPolicy, RunState


def put(world: World, *nodes: str, **wanted: Any) -> httpx.Response:
    return world.operator.post("/nodes/flags", json={"nodes": nodes or ("node-1",), **wanted})


def done(world: World, *nodes: str, **wanted: Any) -> list[dict[str, Any]]:
    answer = put(world, *nodes, **wanted)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


def test_maintenance_is_told_with_who_and_why(world: World) -> None:
    world.at("available")
    (row,) = done(world, maintenance=True, reason="  a bad DIMM ")
    assert row == {"node": "node-1", "uuid": world.node().uuid, "changed": True, "run": None}
    node = world.operator.get("/nodes/node-1").json()
    assert [node["maintenance"], node["maintenance_reason"], node["maintenance_by"]] == [
        True,
        "a bad DIMM",
        "alice",
    ]
    assert "in maintenance (a bad DIMM; alice): end that first" in world.ask("manage").text
    assert done(world, maintenance=True)[0]["changed"] is False
    assert done(world, maintenance=True, reason="two bad DIMMs")[0]["changed"] is True
    assert done(world, maintenance=False, reason="replaced")[0]["changed"] is True
    node = world.operator.get("/nodes/node-1").json()
    assert [node["maintenance"], node["maintenance_reason"], node["maintenance_by"]] == [False, None, None]
    assert world.said("node.maintenance") == [
        "in maintenance, by alice: a bad DIMM",
        "in maintenance, by alice: two bad DIMMs",
        "out of maintenance, by alice: replaced",
    ]
    assert {event.data["who"] for event in world.events("node.maintenance")} == {"alice"}


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("retired", ("retired", "not retired any more")),
        ("protected", ("protected", "not protected any more")),
    ],
)
def test_the_other_flags(world: World, flag: str, words: tuple[str, str]) -> None:
    world.at("available")
    done(world, **{flag: True, "reason": "payroll"})
    assert (getattr(world.node(), flag), getattr(world.node(), f"{flag}_reason")) == (True, "payroll")
    done(world, **{flag: False})
    assert (getattr(world.node(), flag), getattr(world.node(), f"{flag}_reason")) == (False, None)
    assert world.said(f"node.{flag}") == [f"{words[0]}, by alice: payroll", f"{words[1]}, by alice"]


def test_a_power_policy(world: World) -> None:
    world.at("available")
    done(world, power_policy="restore")
    assert world.node().power_policy is PowerPolicy.RESTORE
    assert done(world, power_policy="restore")[0]["changed"] is False
    assert world.said("node.power_policy") == ["power policy report → restore, by alice"]


def test_all_nodes_or_none(world: World) -> None:
    world.at("available", Machine(1))
    world.at("available", Machine(2))
    answer = put(world, "node-1", "node-7", "node-2", "nobody", "node-7", maintenance=True)
    assert answer.status_code == 404
    assert answer.json()["detail"] == "nothing was changed: there is no node 'node-7', 'nobody'"
    assert not world.node(Machine(1)).maintenance
    assert world.events("node.maintenance") == []
    second = world.node(Machine(2)).uuid
    rows = done(world, "node-1", second, "node-2", maintenance=True)
    assert [row["node"] for row in rows] == ["node-1", "node-2"]
    assert len(world.events("node.maintenance")) == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "say at least one of maintenance, retired, protected, power_policy"),
        ({"nodes": [], "maintenance": True}, "nodes"),
        ({"maintenance": True, "reason": " "}, "reason"),
        ({"maintenance": True, "reason": "bad\nDIMM"}, "reason"),
        ({"power_policy": "guess"}, "'report', 'restore' or 'accept'"),
        ({"fault": "none"}, "fault"),
    ],
)
def test_what_is_refused(world: World, body: dict[str, Any], words: str) -> None:
    world.at("available")
    before = world.node()
    answer = world.operator.post("/nodes/flags", json={"nodes": ["node-1"], **body})
    assert answer.status_code == 422
    assert words in answer.text
    assert world.node() == before


def test_a_run_stands_still_in_maintenance_and_goes_on_with_its_whole_time(world: World) -> None:
    world.at("manageable")
    world.machines[0].hangs = True
    world.ask("inspect")
    world.conductor.run_until_idle()
    assert world.runs()[-1].step == "boot_ramdisk"
    (row,) = done(world, maintenance=True, reason="a bad DIMM")
    assert row["run"]["verb"] == "inspect"
    world.pass_time(days=3)
    world.conductor.run_until_idle()
    still = world.runs()[-1]
    assert (still.state, still.step) == (RunState.WAITING, "boot_ramdisk")
    done(world, maintenance=False)
    assert world.runs()[-1].deadline is None
    world.conductor.run_until_idle()
    now = world.runs()[-1]
    assert now.state is RunState.WAITING
    assert now.deadline == world.clock() + timedelta(minutes=20)
    world.machines[0].hangs = False
    world.settle()
    assert world.node().state == "manageable"
    assert world.runs()[-1].state is RunState.DONE


def test_what_stands_still_keeps_no_other_from_its_turn(make_world: Callable[..., World]) -> None:
    first, second = Machine(1), Machine(2)
    world = make_world(first, second)
    world.limits = {"ramdisk boot": 1}
    world.reopen()
    for machine in (first, second):
        machine.hangs = True
        world.at("manageable", machine)
        world.ask("inspect", machine)
    world.conductor.run_until_idle()
    assert [world.runs(machine)[-1].slot for machine in (first, second)] == [True, False]
    done(world, "node-1", maintenance=True)
    world.conductor.run_until_idle()
    assert [world.runs(machine)[-1].slot for machine in (first, second)] == [False, True]
    done(world, "node-1", maintenance=False)
    for machine in (first, second):
        machine.hangs = False
    world.settle()
    assert {world.node(machine).state for machine in (first, second)} == {"manageable"}
    assert {world.runs(machine)[-1].state for machine in (first, second)} == {RunState.DONE}


def test_a_declaration_that_ends_maintenance_lets_the_run_go_on(world: World) -> None:
    world.at("manageable")
    world.machines[0].hangs = True
    world.ask("inspect")
    world.conductor.run_until_idle()
    site = {"hosts": [{"match": {"name": "node-1"}, "maintenance": "moving racks"}]}
    assert world.operator.request("PUT", "/profiles", json=site).status_code == 200
    world.pass_time(hours=5)
    world.conductor.run_until_idle()
    site["hosts"][0]["maintenance"] = False  # type: ignore[assignment]
    assert world.operator.request("PUT", "/profiles", json=site).status_code == 200
    world.machines[0].hangs = False
    world.settle()
    assert world.runs()[-1].state is RunState.DONE
