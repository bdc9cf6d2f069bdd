"""A deploy takes declared steps of the agent around its own, by priority, and says so before it writes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from seed_world import World

from seed.fake_agent import WRITE

INJECT = "deploy.inject_files"


@pytest.fixture
def ready(world: World) -> World:
    world.at("available")
    return world


def declare(world: World, *steps: dict[str, Any], **more: Any) -> None:
    name = world.machines[0].name
    world.declare(
        {"match": {"name": name}, "ssh_keys": ["ssh-ed25519 AAAA"], "deploy_steps": list(steps), **more}
    )


def order(world: World) -> list[str]:
    """The steps of the last run that have an effect on disks, in the order in which they were completed."""
    names = [event.message.split(": ")[0] for event in world.events("step.complete")]
    return [name.rpartition(":")[2] for name in names if "inject" in name or "image" in name]


@pytest.mark.parametrize(("priority", "position"), [(90, 1), (80, 2), (None, 2), (60, 2), (10, 2)], ids=str)
def test_a_declared_step_comes_where_its_priority_says(
    ready: World, priority: int | None, position: int
) -> None:
    step = {"step": INJECT, "priority": priority, "args": {"files": [{"path": "/etc/motd"}]}}
    declare(ready, step)
    assert ready.do("deploy").state == "active"
    expected = ["check_image", "write_image"]
    expected.insert(position, INJECT)
    assert order(ready) == expected
    (taken,) = ready.machines[0].agent.taken
    assert (taken.kind, taken.name, taken.args) == (
        "deploy",
        "inject_files",
        {"files": [{"path": "/etc/motd"}]},
    )


def test_several_come_by_priority_and_one_of_priority_0_not_at_all(ready: World) -> None:
    steps = [
        {"step": INJECT, "priority": priority, "args": {"files": [priority]}}
        for priority in (10, 95, 70, 0, 99)
    ]
    declare(ready, *steps)
    assert ready.do("deploy").state == "active"
    agent = ready.machines[0].agent
    assert [taken.args["files"] for taken in agent.taken] == [[99], [95], [70], [10]]
    assert [deed for deed in agent.history if deed in (INJECT, WRITE)] == [
        INJECT,
        INJECT,
        WRITE,
        INJECT,
        INJECT,
    ]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"step": "deploy.polish"}, "does not offer deploy.polish; it offers deploy.inject_files"),
        ({"step": INJECT, "args": {"colour": "red"}}, "does not take colour; it takes files"),
    ],
)
def test_a_step_that_cannot_be_taken_fails_the_deploy_before_anything_is_written(
    ready: World, step: dict[str, Any], why: str
) -> None:
    declare(ready, step)
    node = ready.do("deploy")
    assert node.state == "deploy failed"
    assert why in (node.last_error or "")
    assert ready.machines[0].agent.written == []
    assert ready.said("destructive") == []


def test_a_ramdisk_of_another_make_is_named_before_anything_is_written(ready: World) -> None:
    declare(ready)
    agent = ready.machines[0].agent
    agent.offered["deploy"] = [step for step in agent.offered["deploy"] if step["step"] == "inject_files"]
    node = ready.do("deploy")
    assert node.state == "deploy failed"
    assert "undercloud image build-ramdisk" in (node.last_error or "")
    assert ready.said("destructive") == []


def test_the_journal_tells_of_the_image_and_of_the_boot_from_disk(ready: World) -> None:
    declare(ready)
    ready.do("deploy")
    (written,) = ready.events("image.written")
    assert (
        written.message
        == "'debian-12' is on /dev/nvme0n1 10.0 GiB serial DISK-B (image 20.5 s, partitions 1.5 s)"
    )
    assert written.data["serial"] == "DISK-B"
    (disk,) = ready.events("power.disk")
    assert written.id < disk.id < ready.events("instance.home")[-1].id


@pytest.mark.parametrize("more", [{"deploy": "bootc"}, {"software_raid": True, "deploy": "ramdisk"}], ids=str)
def test_what_this_seed_cannot_carry_out_is_refused_and_nothing_is_written(
    ready: World, more: dict[str, Any]
) -> None:
    declare(ready, **more)
    answer = ready.ask("deploy")
    assert answer.status_code == 422
    assert next(iter(more)) in answer.text
    assert ready.node().state == "available"
    assert ready.machines[0].boots == []


def test_a_software_raid_is_written_to_two_disks_and_both_are_remembered(ready: World) -> None:
    declare(ready, software_raid=True)
    node = ready.do("deploy")
    assert node.state == "active"
    assert [written.disk for written in ready.machines[0].agent.written] == ["/dev/nvme0n1", "/dev/sda"]
    told = [event.data["serial"] for event in ready.events("destructive") if "serial" in event.data]
    assert len(ready.events("image.written")) == 1
    assert told == ["DISK-B", "DISK-A"]
    assert node.instance is not None
    assert (node.instance.disk_serial, node.instance.mirror_serial) == ("DISK-B", "DISK-A")


def test_a_software_raid_of_one_disk_is_refused_with_the_disks_that_there_are(ready: World) -> None:
    declare(ready, software_raid=True, root_device={"serial": "DISK-A"})
    answer = ready.ask("deploy")
    assert answer.status_code == 422
    assert "software_raid takes two disks" in answer.text
    assert "DISK-B" in answer.text
    assert ready.machines[0].boots == []


def test_an_image_without_mdadm_makes_no_software_raid(ready: World) -> None:
    path = ready.images_dir / "debian-12" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "packages": ["bash=5.2"]}))
    declare(ready, software_raid=True)
    answer = ready.ask("deploy")
    assert answer.status_code == 422
    assert "has no mdadm" in answer.text


def test_a_ramdisk_that_makes_no_software_raid_is_named_before_anything_is_written(ready: World) -> None:
    declare(ready, software_raid=True)
    for step in ready.machines[0].agent.offered["deploy"]:
        step.pop("argsinfo", None)
    node = ready.do("deploy")
    assert node.state == "deploy failed"
    assert "no software RAID" in (node.last_error or "")
    assert ready.said("destructive") == []
