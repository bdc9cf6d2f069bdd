"""The end of a machine's life: its disks are erased, that is written down, and nothing boots it any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from seed_machine import DISKS, Machine
from seed_world import World

from hwdrivers.bmc import PowerState
from hwdrivers.credentials import Secret
from seed.fake_agent import Taken

Make = Callable[..., World]
THOROUGH = {"agent_continue_if_secure_erase_failed": True, "disk_erasure_concurrency": 4}


@pytest.fixture
def machine(world: World) -> Machine:
    return world.machines[0]


def known_to_dhcp(folder: Path) -> str:
    """What dnsmasq reads."""
    return (folder / "dnsmasq.hosts").read_text()


def test_a_decommissioned_machine_is_erased_with_evidence_and_gets_nothing(
    world: World, machine: Machine
) -> None:
    world.at("available")
    with world.store.write() as tx:
        tx.secrets.put(world.node().uuid, "ssh-host-key", Secret("left over"))
    node = world.do("decommission")
    assert node.state == "decommissioned"
    assert node.instance is None
    assert node.power == machine.bmc.power == PowerState.OFF
    assert machine.agent.taken == [Taken("clean", "erase_devices", {}, THOROUGH)]
    assert machine.agent.erased == ["/dev/sda", "/dev/nvme0n1"]
    with world.store.read() as tx:
        assert tx.secrets.find(node.uuid, "ssh-host-key") is None
        assert tx.secrets.find(node.uuid, "agent-token") is None

    [evidence] = world.events("decommission.evidence")
    assert evidence.data == {
        "who": "alice",
        "agent": "13.0.0",
        "seed": "seed",
        "disks": [
            {
                "name": disk.name,
                "serial": disk.serial,
                "size_bytes": disk.size_bytes,
                "method": "deploy.erase_devices",
                "answer": None,
            }
            for disk in DISKS
        ],
    }
    assert evidence.message.startswith(
        "SERIAL-1: deploy.erase_devices erased /dev/sda 20.0 GiB serial DISK-A"
    )
    shown = world.operator.get("/nodes/node-1").json()
    assert shown["evidence"]["data"] == evidence.data
    assert shown["verbs"] == []

    assert machine.mac in known_to_dhcp(world.folder)
    world.reservations.refresh()
    assert machine.mac not in known_to_dhcp(world.folder)
    face = world.faces["node-1"]
    assert face.get("/boot/script", params={"mac": machine.mac}).status_code == 404
    assert world.operator.request("DELETE", "/nodes/node-1").status_code == 204
    assert world.events("decommission.evidence") == [evidence]


@pytest.mark.parametrize(
    ("missing", "method"),
    [
        ({"erase_devices"}, "erase_devices_express"),
        ({"erase_devices", "erase_devices_express"}, "erase_devices_metadata"),
    ],
)
def test_an_agent_that_offers_less_is_taken_at_its_best(
    world: World, machine: Machine, missing: set[str], method: str
) -> None:
    offered = machine.agent.offered["clean"]
    machine.agent.offered["clean"] = [step for step in offered if step["step"] not in missing]
    world.at("manageable")
    assert world.do("decommission").state == "decommissioned"
    assert [taken.name for taken in machine.agent.taken] == [method]
    [evidence] = world.events("decommission.evidence")
    assert {disk["method"] for disk in evidence.data["disks"]} == {f"deploy.{method}"}


def test_an_agent_that_cannot_erase_leaves_the_machine_in_error(world: World, machine: Machine) -> None:
    machine.agent.offered["clean"] = []
    world.at("manageable")
    node = world.do("decommission")
    assert node.state == "error"
    assert "the agent offers no step that erases disks; it offers nothing" in (node.last_error or "")
    assert not world.events("decommission")


def test_a_disk_that_the_agent_does_not_name_is_no_evidence(world: World, machine: Machine) -> None:
    """The report of this boot has a disk more than the agent says that it erased."""
    world.at("manageable")
    machine.agent.disks = DISKS[:1]
    node = world.do("decommission")
    assert node.state == "error"
    assert "did not say that it erased /dev/nvme0n1" in (node.last_error or "")
    assert not world.events("decommission")
    machine.agent.disks = DISKS
    assert world.do("decommission").state == "decommissioned"
    assert len(world.events("decommission.evidence")) == 1


def test_a_disk_that_cannot_be_erased_leaves_no_evidence(world: World, machine: Machine) -> None:
    machine.agent.faults["erase_devices"] = "Unable to erase block device /dev/sda: device is unsupported."
    world.at("clean failed")
    node = world.do("decommission")
    assert node.state == "error"
    assert "device is unsupported" in (node.last_error or "")
    assert machine.agent.erased == []
    assert not world.events("decommission")


def test_a_protected_machine_and_a_running_host_are_not_decommissioned(world: World) -> None:
    world.at("active")
    assert world.ask("decommission").status_code == 409
    with world.store.write() as tx:
        tx.nodes.update(world.node().uuid, state="available", protected=True, protected_reason="billing")
    answer = world.ask("decommission")
    assert answer.status_code == 409
    assert "is protected (billing) and 'decommission' destroys data" in answer.json()["detail"]
    assert world.machines[0].deeds == []


def test_a_machine_without_disks_is_decommissioned_and_the_evidence_says_so(make_world: Make) -> None:
    world = make_world(Machine(disks=()))
    world.at("manageable")
    assert world.do("decommission").state == "decommissioned"
    [evidence] = world.events("decommission.evidence")
    assert evidence.data["disks"] == []
    assert evidence.message == "SERIAL-1: deploy.erase_devices erased none"
