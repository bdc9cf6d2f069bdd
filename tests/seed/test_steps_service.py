"""A host is serviced or rescued in its ramdisk and boots from its disk again; one that runs is adopted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from seed_machine import Machine
from seed_world import World

from hwdrivers.bmc import BootDevice, PowerAction, PowerState
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import Unsupported
from hwdrivers.fake import FakeBMC, Fault
from seed.fake_agent import Taken
from seed.model import NextBoot

Make = Callable[..., World]
HASH = "$6$salt$" + "x" * 86


class Deaf(FakeBMC):
    """Whose machine runs something that does not listen to the power button."""

    def request_power(self, action: PowerAction) -> None:
        if action is not PowerAction.SOFT_OFF:
            super().request_power(action)


class Buttonless(FakeBMC):
    """Cannot press the power button."""

    def request_power(self, action: PowerAction) -> None:
        if action is PowerAction.SOFT_OFF:
            raise Unsupported.at(self.address, "shut down", "not supported", "use off")
        super().request_power(action)


@pytest.fixture
def active(world: World) -> World:
    """A host that was deployed."""
    world.declare()
    world.at("available")
    assert world.do("deploy").state == "active"
    return world


# -- service ---------------------------------------------------------------------------------------------


def test_a_service_takes_its_steps_and_the_host_boots_again(active: World) -> None:
    machine, instance = active.machines[0], active.node().instance
    node = active.take("service", 'burnin_cpu:{"agent_burnin_cpu_timeout": 5}', "hold", "burnin_memory")
    assert node.state == "service hold"
    node = active.do("unhold")
    assert node.state == "active"
    assert node.instance == instance
    assert machine.agent.taken == [
        Taken("service", "burnin_cpu", {}, {"agent_burnin_cpu_timeout": 5}),
        Taken("service", "burnin_memory", {}, {}),
    ]
    assert machine.boots == ["ramdisk", "disk", "ramdisk", "disk"]
    assert machine.agent.count("standby.sync") == 2
    assert machine.bmc.boots_from is BootDevice.DISK
    assert node.power == machine.bmc.power == PowerState.ON
    assert active.said("destructive")[1:] == []


def test_a_service_step_that_destroys_is_journaled_and_refused_for_a_protected_host(active: World) -> None:
    with active.store.write() as tx:
        tx.nodes.update(active.node().uuid, protected=True)
    [row] = active.ask_all("service", args={"steps": [{"step": "write_image"}]})
    assert "is protected (no reason given) and deploy.write_image destroys data" in row["error"]
    assert active.take("service", "burnin_cpu").state == "active"
    with active.store.write() as tx:
        tx.nodes.update(active.node().uuid, protected=False)
    assert active.take("service", "write_image").state == "active"
    assert active.said("destructive")[-1].startswith("deploy.write_image on /dev/sda 20.0 GiB serial DISK-A")
    assert "critical_service_step:deploy.write_image" in active.runs()[-1].steps


def test_a_service_that_fails_can_be_asked_again_or_given_up(active: World) -> None:
    agent = active.machines[0].agent
    node = active.take("service", "deploy.erase_devices")
    assert node.state == "service failed"
    assert "does not offer deploy.erase_devices; it offers deploy.burnin_cpu" in (node.last_error or "")
    agent.faults["burnin_cpu"] = "too hot"
    assert active.take("service", "burnin_cpu").state == "service failed"
    agent.faults.clear()
    assert active.take("service", "burnin_cpu").state == "active"
    assert active.machines[0].boots[-1] == "disk"


def test_a_service_without_steps_is_refused(active: World) -> None:
    [row] = active.ask_all("service")
    assert "'service' needs steps" in row["error"]
    assert active.node().state == "active"


def test_a_host_is_asked_to_shut_down_before_its_machine_is_taken(active: World) -> None:
    machine = active.machines[0]
    machine.bmc.deeds.clear()
    assert active.take("service", "burnin_cpu").state == "active"
    assert machine.deeds[:2] == ["power soft off", "boot device pxe"]
    assert active.said("step.complete")[-5] == "shut_down: powered off"


@pytest.mark.parametrize(
    ("bmc", "why"),
    [
        (Deaf, "its operating system did not shut down within 120 s"),
        (Buttonless, "its BMC has no power button to press"),
    ],
)
def test_a_host_that_cannot_be_shut_down_is_cut_off(make_world: Make, bmc: type[FakeBMC], why: str) -> None:
    machine = Machine(bmc=bmc)
    machine.bmc.power = PowerState.ON
    world = make_world(machine)
    world.at("active")
    assert world.take("service", "burnin_cpu").state == "active"
    assert f"shut_down: power was cut: {why}" in world.said("step.complete")
    assert machine.deeds.count("power off") == 2


# -- rescue ----------------------------------------------------------------------------------------------


def rescue(world: World, hashed: str = HASH) -> str | None:
    """Ask for a rescue and let everything follow; returns why it was refused."""
    [row] = world.ask_all("rescue", secrets={"rescue-password": hashed})
    world.settle()
    return row["error"]


def test_a_rescued_machine_answers_ssh_and_boots_from_disk_afterwards(active: World) -> None:
    machine = active.machines[0]
    assert rescue(active) is None
    node = active.node()
    assert node.state == "rescue"
    assert machine.agent.rescued == HASH
    assert machine.bmc.power is PowerState.ON
    assert active.said("step.complete")[-1] == f"finalize_rescue: ssh rescue@{machine.address} answers"
    with active.store.read() as tx:
        assert tx.secrets.find(node.uuid, "rescue-password") is None
    said = [event.message + str(event.data) for event in active.events()]
    assert not [line for line in said if HASH in line]
    assert HASH not in active.operator.get("/runs", params={"node": "node-1"}).text

    node = active.do("unrescue")
    assert node.state == "active"
    assert node.next_boot is NextBoot.DISK
    assert machine.boots == ["ramdisk", "disk", "ramdisk", "disk"]
    assert machine.agent.rescued is None


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ({}, "'rescue' needs rescue-password, and was given none"),
        ({"rescue-password": "hunter2"}, "'rescue' takes a password only as its hash"),
        ({"rescue-password": HASH, "more": "hunter2"}, "was given rescue-password, more"),
    ],
)
def test_a_rescue_without_a_hash_is_refused(active: World, secrets: dict[str, str], words: str) -> None:
    before = active.node()
    [row] = active.ask_all("rescue", secrets=secrets)
    assert words in row["error"]
    assert "hunter2" not in row["error"]
    assert active.node() == before


def test_a_verb_that_needs_no_secret_takes_none(active: World) -> None:
    [row] = active.ask_all("delete", secrets={"rescue-password": HASH})
    assert "'delete' needs no secret" in row["error"]


def test_a_ramdisk_that_cannot_be_a_rescue_system_fails_with_the_agents_words(active: World) -> None:
    agent = active.machines[0].agent
    agent.faults["rescue.finalize_rescue"] = "Rescue Operation failed when writing the hashed rescue password"
    assert rescue(active) is None
    assert active.node().state == "rescue failed"
    assert "Rescue Operation failed" in (active.node().last_error or "")
    agent.faults.clear()
    assert rescue(active) is None
    assert active.node().state == "rescue"


def test_a_rescue_system_whose_ssh_never_answers_fails(active: World) -> None:
    agent = active.machines[0].agent
    agent.fates["rescue.finalize_rescue"] = agent.lose_power
    assert rescue(active) is None
    assert active.node().state == "rescue failed"
    assert "it waited for ssh of the rescue system" in (active.node().last_error or "")


def test_a_rescued_machine_can_be_rescued_again_and_deleted(active: World) -> None:
    other = HASH.replace("x", "y")
    assert rescue(active) is None
    assert rescue(active, other) is None
    assert active.machines[0].agent.rescued == other
    assert active.do("delete").state == "available"


# -- adopt -----------------------------------------------------------------------------------------------


def test_a_running_host_is_adopted_and_nothing_is_written(world: World) -> None:
    machine = world.machines[0]
    machine.bmc.power = PowerState.ON
    world.declare(
        {"match": {"name": "node-1"}, "image": "gentoo", "address": "10.0.0.101", "role": "kubernetes"}
    )
    world.at("manageable")
    node = world.do("adopt")
    assert node.state == "active"
    assert node.power == node.expected_power == PowerState.ON
    assert node.instance is not None
    assert (node.instance.image, node.instance.sha512, node.instance.role) == ("gentoo", "", "kubernetes")
    assert (node.instance.address, node.instance.ssh_host_key) == ("10.0.0.101", "")
    assert machine.deeds == []
    assert machine.agent.history == []
    assert world.do("delete").state == "available"


def test_what_keeps_a_host_from_being_adopted_is_told(world: World) -> None:
    machine = world.machines[0]
    world.at("manageable")
    node = world.do("adopt")
    assert node.state == "adopt failed"
    assert "no declared host matches" in (node.last_error or "")
    world.declare()
    node = world.do("adopt")
    assert "the machine is 'power off', so no host runs there: switch it on" in (node.last_error or "")
    assert node.instance is None
    machine.bmc.power = PowerState.ON
    with world.store.write() as tx:
        tx.credentials.put("rack", Credentials("admin", Secret("wrong")))
    assert "wrong password" in (world.do("adopt").last_error or "")
    assert world.do("manage").state == "manageable"
    assert machine.deeds == []


def test_a_silent_bmc_is_not_adopted(world: World) -> None:
    world.machines[0].bmc.faults.add(Fault.TIME_OUT)
    world.declare()
    world.at("manageable")
    assert world.do("adopt").state == "adopt failed"


def test_an_adopted_host_is_as_declared(make_world: Make) -> None:
    """Nobody knows what image is on its disk, so no plan wants it rebuilt."""
    machine = Machine()
    machine.bmc.power = PowerState.ON
    world = make_world(machine)
    world.declare()
    world.at("manageable")
    assert world.do("adopt").state == "active"
    site = {"hosts": [{"match": {"name": "node-1"}, "image": "debian-12", "ssh_keys": ["ssh-ed25519 AAAA"]}]}
    answer = world.operator.post("/plans", json={"site": site})
    assert answer.status_code < 300, answer.text
    assert "rebuild" not in answer.text
