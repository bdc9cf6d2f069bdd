"""The whole path of a node, on machines in memory; asserted is what the world looks like afterwards."""

from __future__ import annotations

from seed_world import World

from hwdrivers.bmc import BootDevice, PowerState
from seed.model import NextBoot, RunState


def test_from_enrolment_to_a_host_and_back(world: World) -> None:
    machine = world.machines[0]
    world.declare()
    world.enroll()
    assert world.do("manage").state == "manageable"
    assert world.do("inspect").state == "manageable"
    assert world.do("provide").state == "available"
    node = world.do("deploy")
    assert node.state == "active"
    assert node.power == machine.bmc.power == PowerState.ON
    assert node.next_boot is NextBoot.DISK
    assert machine.bmc.boots_from is BootDevice.DISK
    assert node.instance is not None
    assert node.instance.disk_serial == "DISK-B"
    assert [written.disk for written in machine.agent.written] == ["/dev/nvme0n1"]
    assert machine.agent.written[0].sha512 == node.instance.sha512
    assert node.instance.ssh_host_key.encode() in machine.config_drive()

    node = world.do("delete")
    assert node.state == "available"
    assert node.instance is None
    assert node.power == machine.bmc.power == PowerState.OFF
    assert machine.agent.erased == ["/dev/sda", "/dev/nvme0n1"] * 2
    assert [run.state for run in world.runs()] == [RunState.DONE] * 5
    assert world.states() == [
        "enroll → verifying (manage)",
        "verifying → manageable (done)",
        "manageable → inspecting (inspect)",
        "inspecting → inspect wait (wait)",
        "inspect wait → inspecting (resume)",
        "inspecting → manageable (done)",
        "manageable → cleaning (provide)",
        "cleaning → clean wait (wait)",
        "clean wait → cleaning (resume)",
        "cleaning → clean wait (wait)",
        "clean wait → cleaning (resume)",
        "cleaning → available (done)",
        "available → deploying (deploy)",
        "deploying → wait call-back (wait)",
        "wait call-back → deploying (resume)",
        "deploying → wait call-back (wait)",
        "wait call-back → deploying (resume)",
        "deploying → wait call-back (wait)",
        "wait call-back → deploying (resume)",
        "deploying → active (done)",
        "active → deleting (delete)",
        "deleting → cleaning (clean)",
        "cleaning → clean wait (wait)",
        "clean wait → cleaning (resume)",
        "cleaning → clean wait (wait)",
        "clean wait → cleaning (resume)",
        "cleaning → available (done)",
    ]
