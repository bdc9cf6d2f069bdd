"""Which of the agent's steps are taken when a machine is cleaned or tested, and what is told beforehand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from seed_face import Face
from seed_machine import DISKS, Machine, report
from seed_world import Fuse, World

from hwdrivers.bmc import BootMode, PowerState
from seed.fake_agent import Taken
from seed.model import RunState

Make = Callable[..., World]
EXECUTE = "clean.execute_clean_step"
METADATA = "deploy.erase_devices_metadata"


@pytest.fixture
def manageable(world: World) -> World:
    world.at("manageable")
    return world


def names(world: World) -> list[str]:
    """What the agent took, in order."""
    return [taken.name for taken in world.machines[0].agent.taken]


def refused(world: World, verb: str, *steps: dict[str, object], **more: object) -> str:
    """Ask for what is refused; returns why. Nothing has changed then."""
    before, runs, events = world.node(), world.runs(), world.events()
    [row] = world.ask_all(verb, args={"steps": list(steps)} | more)
    assert row["run"] is None
    assert (world.node(), world.runs(), world.events()) == (before, runs, events)
    assert world.machines[0].deeds == []
    return str(row["error"])


def test_automated_cleaning_takes_what_has_a_priority_the_highest_first(manageable: World) -> None:
    agent = manageable.machines[0].agent
    agent.offered["clean"] += [
        {"step": "update_firmware", "interface": "firmware", "priority": 10, "abortable": False},
        {"step": "reset", "interface": "bios", "priority": 50, "reboot_requested": False},
    ]
    assert manageable.do("provide").state == "available"
    assert names(manageable) == ["reset", "update_firmware", "erase_devices_metadata"]
    assert manageable.runs()[-1].steps == (
        "boot_ramdisk",
        "list_clean_steps",
        "critical_clean_step:bios.reset",
        "critical_clean_step:firmware.update_firmware",
        f"clean_step:{METADATA}",
        "leave_ramdisk",
    )


def test_cleaning_after_a_delete_is_the_same(world: World) -> None:
    world.at("active")
    assert world.do("delete").state == "available"
    assert names(world) == ["erase_devices_metadata"]


def test_every_disk_is_named_by_serial_before_the_agent_is_told(manageable: World) -> None:
    agent = manageable.machines[0].agent
    told: list[list[str]] = []
    agent.fates[EXECUTE] = lambda: told.append(manageable.said("destructive"))
    manageable.do("provide")
    assert told == [[f"{METADATA} on /dev/sda 20.0 GiB serial DISK-A; /dev/nvme0n1 10.0 GiB serial DISK-B"]]
    assert agent.erased == ["/dev/sda", "/dev/nvme0n1"]


def test_steps_are_taken_as_given_with_arguments_and_settings(manageable: World) -> None:
    node = manageable.take(
        "clean",
        'deploy.burnin_cpu:{"agent_burnin_cpu_timeout": 60}',
        'deploy.clean_uefi_nvram:{"match_patterns": ["^pxe"]}',
        'burnin_cpu:{"agent_burnin_cpu_timeout": 5}',
    )
    assert node.state == "manageable"
    assert node.target_state is None
    assert manageable.machines[0].agent.taken == [
        Taken("clean", "burnin_cpu", {}, {"agent_burnin_cpu_timeout": 60}),
        Taken("clean", "clean_uefi_nvram", {"match_patterns": ["^pxe"]}, {}),
        Taken("clean", "burnin_cpu", {}, {"agent_burnin_cpu_timeout": 5}),
    ]
    assert manageable.said("destructive") == []
    assert manageable.states()[-1] == "cleaning → manageable (manage)"


def test_given_priorities_order_given_steps(manageable: World) -> None:
    steps = [
        {"step": "burnin_memory", "priority": 1},
        {"step": "burnin_cpu", "priority": 5},
        {"step": "erase_devices_express"},
    ]
    [row] = manageable.ask_all("clean", args={"steps": steps})
    assert row["error"] is None
    manageable.settle()
    assert names(manageable) == ["burnin_cpu", "burnin_memory", "erase_devices_express"]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            "deploy.erase_universe",
            "the agent does not offer deploy.erase_universe; it offers deploy.burnin_cpu, ",
        ),
        ("raid.burnin_cpu", "the agent does not offer raid.burnin_cpu"),
        ('deploy.burnin_cpu:{"hours": 3}', "deploy.burnin_cpu does not take hours; it takes nothing"),
        ('deploy.clean_uefi_nvram:{"pattern": 1}', "does not take pattern; it takes match_patterns"),
        ("raid.apply", "raid.apply needs config"),
    ],
)
def test_what_the_agent_does_not_offer_fails_before_anything_is_done(
    manageable: World, step: str, words: str
) -> None:
    agent = manageable.machines[0].agent
    info = {"config": {"required": True}}
    agent.offered["clean"].append({"step": "apply", "interface": "raid", "priority": 0, "argsinfo": info})
    node = manageable.take("clean", METADATA, step)
    assert node.state == "clean failed"
    assert words in (node.last_error or "")
    assert agent.taken == []
    assert manageable.said("destructive") == []
    assert manageable.do("manage").state == "manageable"
    assert manageable.take("clean", METADATA).state == "manageable"


@pytest.mark.parametrize(
    ("verb", "steps", "words"),
    [
        ("clean", [], "'clean' needs steps, such as deploy.erase_devices_metadata: none were given"),
        ("clean", [{"interface": "deploy"}], "'clean': step: Field required"),
        ("clean", [{"step": "hold", "args": {"hours": 2}}], "'hold' does not take: hours"),
        (
            "clean",
            [{"step": "wait", "args": {"seconds": "ten"}}],
            "takes 1 to 604800 whole seconds, not 'ten'",
        ),
        ("clean", [{"step": "burnin_cpu", "hours": 2}], "hours: Extra inputs are not permitted"),
        ("test", [{"step": "hold"}], "'test' cannot be held, so 'hold' is none of its steps"),
        (
            "clean",
            [{"step": "power_off"}, {"step": "wait"}, {"step": "burnin_cpu"}],
            "deploy.burnin_cpu follows power_off: the machine needs power_on before",
        ),
        ("provide", [{"step": "burnin_cpu"}], "'provide' does not take: steps"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(
    manageable: World, verb: str, steps: list[dict[str, object]], words: str
) -> None:
    assert words in refused(manageable, verb, *steps)


def test_steps_that_are_no_list_and_other_arguments_are_refused(manageable: World) -> None:
    [row] = manageable.ask_all("clean", args={"steps": 7})
    assert "steps must be a list" in row["error"]
    [row] = manageable.ask_all("clean", args={"step": []})
    assert "'clean' does not take: step" in row["error"]
    assert manageable.runs() == []


def test_a_step_that_fails_tells_the_agents_words_and_no_later_one_is_taken(manageable: World) -> None:
    agent = manageable.machines[0].agent
    agent.faults["burnin_memory"] = "stress-ng (vm) failed with error [Errno 2] No such file"
    node = manageable.take("clean", "burnin_cpu", "burnin_memory", METADATA)
    assert node.state == "clean failed"
    assert (node.last_error or "").startswith(
        "clean_step:deploy.burnin_memory: the agent failed at clean.execute_clean_step: stress-ng (vm) failed"
    )
    assert names(manageable) == ["burnin_cpu"]


def test_a_step_that_asks_for_a_reboot_gets_one_into_the_ramdisk(make_world: Make) -> None:
    world = make_world(fast_track=True)
    machine = world.machines[0]
    for step in machine.agent.offered["clean"]:
        step["reboot_requested"] = step["step"] == "clean_uefi_nvram"
    world.at("manageable")
    assert world.take("clean", "burnin_cpu", "clean_uefi_nvram", "burnin_memory").state == "manageable"
    assert names(world) == ["burnin_cpu", "clean_uefi_nvram", "burnin_memory"]
    assert machine.boots == ["ramdisk", "ramdisk"]


def test_another_agent_after_a_reboot_is_asked_again_and_no_step_is_taken_twice(make_world: Make) -> None:
    class Updated(Machine):
        def boot(self, seed: Face) -> None:
            self.agent.versions["generic_hardware_manager"] = f"{len(self.boots)}.0"
            super().boot(seed)

    machine = Updated()
    world = make_world(machine)
    world.at("manageable")
    assert world.take("clean", "burnin_cpu", "reboot", "burnin_memory").state == "manageable"
    assert names(world) == ["burnin_cpu", "burnin_memory"]
    assert machine.boots == ["ramdisk", "ramdisk"]


def test_hardware_managers_that_change_between_listing_and_telling(manageable: World) -> None:
    """The agent refuses the step then; it is asked anew once, and a second time is a failure."""
    agent = manageable.machines[0].agent
    versions = iter(["2.0", "2.0", "3.0", "4.0"])
    agent.fates[EXECUTE] = lambda: agent.versions.update(generic_hardware_manager=next(versions))
    assert manageable.take("clean", "burnin_cpu").state == "manageable"
    assert names(manageable) == ["burnin_cpu"]
    assert agent.count(EXECUTE) == 2

    node = manageable.take("clean", "burnin_cpu")
    assert node.state == "clean failed"
    assert "Hardware managers version mismatch" in (node.last_error or "")
    assert names(manageable) == ["burnin_cpu"]


def test_a_hold_stops_between_two_steps_until_unhold_and_survives_a_restart(manageable: World) -> None:
    manageable.ask_with("clean", "burnin_cpu", "hold", "burnin_memory")
    manageable.settle()
    assert manageable.node().state == "clean hold"
    assert manageable.runs()[-1].state is RunState.HELD
    assert names(manageable) == ["burnin_cpu"]
    manageable.start(Fuse())
    manageable.conductor.resume()
    manageable.settle()
    assert manageable.node().state == "clean hold"
    assert manageable.do("unhold").state == "manageable"
    assert names(manageable) == ["burnin_cpu", "burnin_memory"]
    assert len(manageable.said("run.held")) == 1


def test_two_holds_in_a_row_are_two(manageable: World) -> None:
    manageable.ask_with("clean", "hold", "hold")
    manageable.settle()
    assert manageable.do("unhold").state == "clean hold"
    assert manageable.do("unhold").state == "manageable"


def test_a_held_clean_can_be_given_up(manageable: World) -> None:
    manageable.ask_with("clean", "hold", METADATA)
    manageable.settle()
    assert manageable.do("abort").state == "clean failed"
    assert names(manageable) == []


def test_waits_pass_seconds_or_until_the_next_heartbeat(manageable: World) -> None:
    machine = manageable.machines[0]
    manageable.ask_with("clean", 'wait:{"seconds": 90}', "wait", "burnin_cpu")
    manageable.settle(until=lambda: manageable.runs()[-1].reason == "90 s to pass")
    before = manageable.clock()
    manageable.settle(until=lambda: manageable.runs()[-1].reason == "the agent's next heartbeat")
    assert (manageable.clock() - before).total_seconds() == 90
    manageable.pass_time(seconds=40)
    assert machine.beat(manageable.faces[machine.name], manageable.node().uuid) == 202
    manageable.settle()
    assert manageable.node().state == "manageable"
    assert names(manageable) == ["burnin_cpu"]


def test_power_goes_off_and_on_into_the_ramdisk(make_world: Make) -> None:
    world = make_world(fast_track=True)
    world.at("manageable")
    assert world.take("clean", "burnin_cpu", "power_off", "power_on", "burnin_memory").state == "manageable"
    assert world.machines[0].boots == ["ramdisk", "ramdisk"]
    assert names(world) == ["burnin_cpu", "burnin_memory"]
    assert world.take("clean", "burnin_cpu", "power_off").power == PowerState.OFF
    assert "leave_ramdisk: powered off" in world.said("step.complete")


def test_an_abort_of_a_step_that_may_be_interrupted_and_of_one_that_may_not(manageable: World) -> None:
    agent = manageable.machines[0].agent
    agent.polls = None
    manageable.ask_with("clean", "erase_devices_express")
    manageable.settle(until=lambda: "heard" in manageable.runs()[-1].memo)
    assert manageable.ask("abort").status_code == 202
    assert manageable.node().state == "clean failed"
    assert manageable.do("manage").state == "manageable"

    for step in agent.offered["clean"]:
        step["abortable"] = False
    manageable.ask_with("clean", "burnin_cpu", METADATA)
    manageable.settle(until=lambda: "heard" in manageable.runs()[-1].memo)
    assert manageable.ask("abort").status_code == 202
    assert manageable.node().state == "clean wait"
    agent.finish()
    agent.polls = 1
    manageable.settle()
    assert manageable.node().state == "clean failed"
    assert names(manageable) == ["burnin_cpu"]


def test_a_disk_that_keeps_metadata_from_being_erased_fails_the_step(manageable: World) -> None:
    manageable.machines[0].agent.polls = None
    node = manageable.do("provide")
    assert node.state == "clean failed"
    assert "the agent is still at clean.execute_clean_step after 30 min" in (node.last_error or "")


def test_a_burn_in_may_take_days(manageable: World) -> None:
    agent = manageable.machines[0].agent
    agent.polls = None
    manageable.ask_with("clean", "burnin_cpu")
    began = manageable.clock()
    manageable.settle(until=lambda: (manageable.clock() - began).total_seconds() > 3600)
    assert manageable.node().state == "clean wait"
    agent.finish()
    manageable.settle()
    assert manageable.node().state == "manageable"


def test_a_test_takes_the_configured_burn_in_or_the_steps_that_are_given(manageable: World) -> None:
    agent = manageable.machines[0].agent
    assert manageable.do("test").state == "manageable"
    assert agent.taken == [Taken("clean", "burnin_cpu", {}, {"agent_burnin_cpu_timeout": 60})]
    assert manageable.take("test", "burnin_disk").state == "manageable"
    assert agent.taken[-1].name == "burnin_disk"
    assert manageable.said("destructive")[-1].startswith("deploy.burnin_disk on /dev/sda")


def test_a_test_that_fails_says_so_and_can_be_asked_again(manageable: World) -> None:
    agent = manageable.machines[0].agent
    agent.faults["burnin_cpu"] = "stress-ng (cpu) failed"
    node = manageable.do("test")
    assert node.state == "test failed"
    assert "stress-ng (cpu) failed" in (node.last_error or "")
    agent.faults.clear()
    assert manageable.do("test").state == "manageable"


def test_another_machine_is_neither_listed_nor_cleaned(manageable: World) -> None:
    machine = manageable.machines[0]
    machine.reports = report("SERIAL-OTHER", [machine.mac], DISKS, BootMode.BIOS)
    node = manageable.take("clean", METADATA)
    assert "serial SERIAL-OTHER, node 'node-1' has SERIAL-1" in (node.last_error or "")
    assert machine.agent.history == []


def test_a_protected_node_is_not_cleaned(world: World) -> None:
    world.at("manageable", protected=True, protected_reason="billing")
    assert "is protected (billing)" in refused(world, "clean", {"step": "burnin_cpu"})


def test_a_retired_node_is_cleaned_but_not_made_available(world: World) -> None:
    world.at("active", retired=True)
    assert world.do("delete").state == "manageable"
    assert world.machines[0].bmc.power is PowerState.OFF


def test_many_nodes_are_cleaned_in_one_request(make_world: Make) -> None:
    machines = Machine(1), Machine(2)
    world = make_world(*machines)
    world.at("manageable", machines[0])
    world.at("active", machines[1])
    rows = world.ask_all("clean", args={"steps": [{"step": "burnin_cpu"}]})
    assert [bool(row["run"]) for row in rows] == [True, False]
    assert "'clean' is not possible in state 'active'" in rows[1]["error"]
    world.settle()
    assert [taken.name for taken in machines[0].agent.taken] == ["burnin_cpu"]
    assert machines[1].deeds == []
