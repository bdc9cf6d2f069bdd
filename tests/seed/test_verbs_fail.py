"""What goes wrong on the way ends in a state that says so, and in words; then one verb goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from seed_machine import DISKS, GIB, Machine, report
from seed_world import Fuse, Killed, World, build_images

from hwdrivers.bmc import BootMode, PowerAction, PowerState
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import Unreachable
from hwdrivers.fake import FakeBMC, Fault
from hwdrivers.inventory import Disk
from pxe.milestones import StepFault
from seed.conductor import Conductor
from seed.fake_agent import WRITE
from seed.lifecycle import ironic_39
from seed.model import NextBoot, RunState
from seed.step import Complete, Result, Walk
from seed.steps.agent_command import SILENCE
from seed.store.errors import LeaseLost

Make = Callable[..., World]
TITLE = "writing 'debian-12'"


@pytest.fixture
def ready(world: World) -> World:
    """A machine that can be deployed."""
    world.declare()
    world.at("available")
    return world


def failed(world: World, verb: str, state: str) -> str:
    """Take a verb that ends in `state`; returns why."""
    node = world.do(verb)
    assert node.state == state
    assert world.runs()[-1].state is RunState.FAILED
    assert node.last_error is not None
    assert world.said("step.failed")[-1] == node.last_error
    return node.last_error


def fault(world: World) -> StepFault | None:
    """What diagnosis goes by of the step that failed."""
    return world.events("step.failed")[-1].data.get("fault")


def test_a_wrong_password_is_tried_once(world: World) -> None:
    with world.store.write() as tx:
        tx.credentials.put("rack", Credentials("admin", Secret("wrong")))
    world.enroll()
    why = failed(world, "manage", "enroll")
    assert world.machines[0].bmc.logins == ["admin"]
    assert "wrong password" in why
    assert fault(world) == StepFault.BMC
    assert not world.events("step.retry")


def test_a_silent_bmc_is_tried_a_few_times_and_the_operator_sees_it(world: World) -> None:
    world.machines[0].bmc.faults.add(Fault.TIME_OUT)
    world.enroll()
    why = failed(world, "manage", "enroll")
    assert "no answer" in why
    assert {event.data["fault"] for event in world.events("step.retry")} == {StepFault.BMC}
    assert len(world.machines[0].bmc.logins) == Unreachable.attempts
    said = world.said("step.retry")
    assert len(said) == Unreachable.attempts - 1
    for number, words in enumerate(said, 1):
        assert f"(attempt {number} of {Unreachable.attempts}), again in {2**number} s" in words


def test_a_bmc_that_comes_back_is_no_failure(world: World) -> None:
    bmc = world.machines[0].bmc
    bmc.faults.add(Fault.TIME_OUT)
    world.enroll()
    assert world.ask("manage").status_code == 202
    world.conductor.run_until_idle()
    assert world.node().state == "verifying"
    bmc.faults.clear()
    world.settle()
    assert world.node().state == "manageable"
    assert world.node().last_error is None


def test_a_machine_that_never_boots_fails_with_the_last_thing_seen(ready: World) -> None:
    ready.machines[0].hangs = True
    why = failed(ready, "deploy", "deploy failed")
    assert why.startswith("boot_ramdisk: not done after 20 min; it waited for the agent to call home")
    assert fault(ready) == StepFault.IN_VAIN
    assert "UTC: powered on to boot from the network. First missing is DHCPDISCOVER: node-1 was swit" in why
    assert why.endswith("More: `undercloud why node-1`")


def test_a_ramdisk_that_never_heartbeats_fails_with_the_last_thing_seen(ready: World) -> None:
    machine = ready.machines[0]
    machine.hangs = True
    assert ready.ask("deploy").status_code == 202
    ready.conductor.run_until_idle()
    machine.script(ready.faces[machine.name])
    ready.settle()
    why = ready.node().last_error or ""
    assert "UTC: asked what to boot: ramdisk. First missing is kernel: " in why
    assert why.endswith("More: `undercloud why node-1`")


def test_power_that_is_cut_while_the_image_is_written(ready: World) -> None:
    machine = ready.machines[0]
    machine.agent.fates[WRITE] = machine.cut_power
    why = failed(ready, "deploy", "deploy failed")
    assert why.startswith("write_image: the machine lost power")
    assert fault(ready) == StepFault.AGENT_GONE
    assert "last seen" in why
    assert machine.agent.written == []

    del machine.agent.fates[WRITE]
    assert ready.do("deploy").state == "active"
    assert ready.node().last_error is None
    assert len(machine.agent.written) == 1


def test_power_that_is_cut_later_in_the_write_tells_when_it_was_heard_last(ready: World) -> None:
    machine = ready.machines[0]
    machine.agent.polls = None
    assert ready.ask("deploy").status_code == 202
    ready.settle(until=lambda: "heard" in ready.runs()[-1].memo)
    machine.cut_power()
    ready.settle()
    why = ready.node().last_error or ""
    assert f"{TITLE} was running at 12:" in why
    assert ready.node().state == "deploy failed"


def test_an_agent_that_falls_silent_gets_some_minutes(ready: World) -> None:
    machine = ready.machines[0]
    machine.agent.polls = None
    assert ready.ask("deploy").status_code == 202
    ready.settle(until=lambda: "heard" in ready.runs()[-1].memo)
    machine.agent.is_up = False
    ready.settle()
    assert "silent for 180 s" in (ready.node().last_error or "")
    assert fault(ready) == StepFault.AGENT_GONE
    assert ready.node().state == "deploy failed"


def test_two_short_silences_far_apart_are_not_one_long_one(ready: World) -> None:
    machine = ready.machines[0]
    machine.agent.polls = None
    assert ready.ask("deploy").status_code == 202
    for _ in range(2):
        ready.settle(until=lambda: ready.runs()[-1].reason == f"the agent to finish {TITLE}")
        machine.agent.is_up = False
        ready.settle(until=lambda: (ready.runs()[-1].reason or "").startswith("the agent to answer again"))
        machine.agent.is_up = True
        ready.settle(until=lambda: ready.runs()[-1].reason == f"the agent to finish {TITLE}")
        ready.clock.move(SILENCE + timedelta(seconds=1))
    machine.agent.finish()
    ready.settle()
    assert ready.node().state == "active"


def test_an_agent_that_rebooted_by_itself_is_not_told_to_write_again(ready: World) -> None:
    machine = ready.machines[0]
    machine.agent.polls = None
    assert ready.ask("deploy").status_code == 202
    ready.settle(until=lambda: "heard" in ready.runs()[-1].memo)
    machine.agent.boot()
    ready.settle()
    assert "refuses our token" in (ready.node().last_error or "")
    assert machine.agent.count(WRITE) == 1


def test_the_agents_own_words_are_told(ready: World) -> None:
    agent = ready.machines[0].agent
    agent.faults[WRITE] = "No space left on device"
    assert "No space left on device" in failed(ready, "deploy", "deploy failed")
    agent.faults.clear()
    assert ready.do("deploy").state == "active"


def test_a_disk_that_is_another_one_when_the_image_comes_is_not_written(ready: World) -> None:
    agent = ready.machines[0].agent
    agent.disks = tuple(replace(disk, serial=f"{disk.serial}-NEW") for disk in agent.disks)
    why = failed(ready, "deploy", "deploy failed")
    assert "/dev/nvme0n1 with serial DISK-B is not here" in why
    assert agent.written == []


def test_a_wrong_checksum_is_told_in_the_agents_words(ready: World) -> None:
    agent = ready.machines[0].agent
    agent.faults[WRITE] = "wrong checksum: sha512 is 00, expected 11"
    assert "writing 'debian-12': wrong checksum: sha512 is 00, expected 11" in failed(
        ready, "deploy", "deploy failed"
    )
    assert ready.said("image.written") == []


def test_a_machine_with_another_serial_is_left_alone(ready: World) -> None:
    machine = ready.machines[0]
    machine.reports = report("SERIAL-OTHER", [machine.mac], DISKS, BootMode.BIOS)
    why = failed(ready, "deploy", "deploy failed")
    assert "serial SERIAL-OTHER, node 'node-1' has SERIAL-1" in why
    assert machine.agent.history == []


def test_a_machine_with_another_serial_is_not_cleaned_and_not_recorded(world: World) -> None:
    machine = world.machines[0]
    world.at("manageable")
    before = world.node().inventory
    machine.reports = report("SERIAL-OTHER", [machine.mac], (), BootMode.BIOS)
    assert "SERIAL-OTHER" in failed(world, "inspect", "inspect failed")
    assert world.node().inventory == before
    assert world.do("manage").state == "manageable"
    assert "SERIAL-OTHER" in failed(world, "provide", "clean failed")
    assert machine.agent.history == []


def test_two_nodes_that_report_one_mac(make_world: Make) -> None:
    first, second = Machine(1), Machine(2)
    world = make_world(first, second)
    world.at("manageable", first)
    world.at("manageable", second)
    first.reports = report(first.serial, [first.mac, "52:54:00:00:00:99"], DISKS, BootMode.BIOS)
    assert world.do("inspect", first).state == "manageable"
    untouched = world.node(first)

    face = world.faces["node-2"]
    with world.store.write() as tx:  # the second machine is asked by its own MAC, and reports both
        tx.nodes.update(tx.nodes.get("node-2").uuid, next_boot=NextBoot.RAMDISK)
    both = report(second.serial, [second.mac, "52:54:00:00:00:99"], DISKS, BootMode.BIOS)
    answer = face.post("/v1/continue_inspection", json=both)
    assert answer.status_code == 409
    assert "node-1, node-2" in answer.json()["detail"]
    assert world.node(first) == untouched


def test_a_mac_of_another_node_that_a_bmc_tells_fails_the_run_in_words(make_world: Make) -> None:
    first, second = Machine(1), Machine(2)
    world = make_world(first, second)
    world.at("manageable", first)
    second.bmc._macs = (first.mac,)
    world.enroll(second)
    untouched = world.node(first)
    node = world.do("manage", second)
    assert node.state == "enroll"
    assert f"MAC {first.mac} belongs to node 'node-1' already" in (node.last_error or "")
    assert node.macs == ()
    assert world.node(first) == untouched


def test_an_abort_where_it_is_safe_and_where_it_is_not(ready: World) -> None:
    machine = ready.machines[0]
    machine.hangs = True
    assert ready.ask("deploy").status_code == 202
    ready.conductor.run_until_idle()
    answer = ready.ask("abort")
    assert answer.status_code == 202
    assert ready.node().state == "deploy failed"
    assert ready.node().last_error == "aborted by alice at boot_ramdisk"
    assert ready.runs()[-1].state is RunState.ABORTED

    machine.hangs = False
    machine.agent.polls = None
    assert ready.ask("deploy").status_code == 202
    ready.settle(until=lambda: "heard" in ready.runs()[-1].memo)
    assert ready.ask("abort").status_code == 202
    assert ready.node().state == "wait call-back"
    assert ready.said("run.asked") == ["alice asks to abort after write_image"]
    machine.agent.finish()
    machine.agent.polls = 1
    ready.settle()
    assert ready.node().state == "deploy failed"
    assert ready.node().last_error == "aborted by alice at install_bootloader"
    assert machine.agent.count("image.install_bootloader") == 0


def test_an_abort_while_a_step_is_executed_wins(ready: World) -> None:
    machine = ready.machines[0]
    machine.hangs = True
    assert ready.ask("deploy").status_code == 202
    ready.conductor.run_until_idle()
    ready.pass_time(seconds=60)
    [(run, node)] = ready.conductor._tenure.claim(1)
    assert ready.ask("abort").status_code == 202
    assert ready.node().state == "wait call-back"
    ready.conductor._save([(run, ready.conductor._execute(node, run))])
    assert ready.node().state == "deploy failed"
    assert ready.runs()[-1].state is RunState.ABORTED


class Announces:
    """A step that writes down what it is going to do."""

    name = "check_image"
    timeout = timedelta(minutes=1)
    abortable = True
    needs: str | None = None

    def execute(self, walk: Walk) -> Result:
        walk.note("destructive", "writing")
        return Complete("written")


def test_a_worker_that_lost_its_lease_changes_nothing(ready: World) -> None:
    assert ready.ask("deploy").status_code == 202
    [(slow, node)] = ready.conductor._tenure.claim(1)
    assert ready.conductor._tenure.claim(1) == []
    ready.pass_time(minutes=1)
    ready.start(Fuse(), name="another")
    ready.conductor.run_until_idle()
    assert "seed 'seed' fell silent" in ready.said("run.resumed")[0]
    before = ready.runs()[-1]
    assert before.step == "boot_ramdisk"
    late = Conductor(ready.store, ironic_39(), {"check_image": Announces()}, clock=ready.clock)
    late._save([(slow, Complete("done"))])
    assert ready.runs()[-1] == before
    with pytest.raises(LeaseLost):
        late._execute(node, slow)
    assert ready.runs()[-1] == before
    assert not ready.said("destructive")
    ready.settle()
    assert ready.node().state == "active"


def test_a_busy_agent_of_a_run_that_ended_is_booted_anew(make_world: Make) -> None:
    world = make_world(fast_track=True)
    machine = world.machines[0]
    world.declare()
    world.at("available")
    machine.agent.polls = None
    assert world.ask("deploy").status_code == 202
    world.settle(until=lambda: "heard" in world.runs()[-1].memo)
    world.pass_time(hours=2)
    world.settle()
    assert "not done after 60 min; it waited for the agent to finish" in (world.node().last_error or "")
    machine.agent.polls = 1
    assert world.do("deploy").state == "active"
    assert machine.boots == ["ramdisk", "ramdisk", "disk"]


def test_a_warm_ramdisk_writes_the_disk_that_is_meant_now(make_world: Make) -> None:
    world = make_world(Machine(boot_mode=BootMode.UEFI), fast_track=True)
    machine = world.machines[0]
    host = {"match": {"name": "node-1"}, "root_device": {"serial": "DISK-A"}}
    world.declare(host)
    world.at("available")
    machine.agent.faults["image.install_bootloader"] = "no EFI variables"
    failed(world, "deploy", "deploy failed")
    world.declare(host | {"root_device": {"serial": "DISK-B"}})
    machine.agent.faults.clear()
    node = world.do("deploy")
    assert node.state == "active"
    assert machine.boots == ["ramdisk", "disk"]
    assert [written.disk for written in machine.agent.written] == ["/dev/sda", "/dev/nvme0n1"]


def test_fast_track_boots_the_ramdisk_once(make_world: Make) -> None:
    world = make_world(fast_track=True)
    world.declare()
    world.enroll()
    for verb in ("manage", "inspect", "provide", "deploy"):
        world.do(verb)
    assert world.node().state == "active"
    assert world.machines[0].boots == ["ramdisk", "disk"]


def test_a_host_that_calls_home_before_the_seed_knows_that_it_powered_it_on(make_world: Make) -> None:
    def begin(folder: str, at: int | None) -> tuple[World, Fuse]:
        world = make_world(Machine(), folder=folder)
        world.declare()
        world.at("available")
        fuse = Fuse(at)
        world.start(fuse)
        world.request("deploy")
        return world, fuse

    world, fuse = begin("whole", None)
    world.settle()
    last = max(n for n, place in enumerate(fuse.passed) if place.startswith("after request_power"))
    world, _ = begin("killed", last)
    with pytest.raises(Killed):
        world.settle()
    machine = world.machines[0]
    assert machine.live(world.faces[machine.name])
    world.pass_time(minutes=5)
    world.start(Fuse())
    world.conductor.resume()
    world.settle()
    assert world.node().state == "active"
    assert machine.boots == ["ramdisk", "disk"]


def test_an_older_call_is_not_taken_for_that_of_the_new_system(ready: World) -> None:
    assert ready.do("deploy").state == "active"
    ready.machines[0].is_mute = True
    why = failed(ready, "rebuild", "deploy failed")
    assert why.startswith("first_boot: not done after 20 min; it waited for the operating system")


def test_a_seed_that_was_down_for_hours_sees_what_was_done_meanwhile(ready: World) -> None:
    machine = ready.machines[0]
    machine.agent.polls = None
    assert ready.ask("deploy").status_code == 202
    ready.settle(until=lambda: "heard" in ready.runs()[-1].memo)
    machine.agent.finish()
    machine.agent.polls = 1
    ready.pass_time(hours=5)
    ready.start(Fuse())
    ready.conductor.resume()
    ready.settle()
    assert ready.node().state == "active"
    assert machine.agent.count(WRITE) == 1


def test_a_ramdisk_whose_report_got_lost_is_booted_anew(make_world: Make) -> None:
    world = make_world(fast_track=True)
    machine = world.machines[0]
    world.declare()
    world.at("available")
    machine.loses_report = True
    failed(world, "deploy", "deploy failed")
    assert machine.agent.count(WRITE) == 0
    machine.loses_report = False
    assert world.do("deploy").state == "active"
    assert machine.boots == ["ramdisk", "ramdisk", "disk"]


def test_a_ramdisk_that_comes_up_just_before_its_power_is_cut_keeps_nothing(make_world: Make) -> None:
    """It was late in the run before, which was aborted; the next run switches it off and boots it again."""

    class Late(FakeBMC):
        def request_power(self, action: PowerAction) -> None:
            if action is PowerAction.OFF and not machine.boots:
                machine.boot(world.faces[machine.name])
            super().request_power(action)

    machine = Machine(bmc=Late)
    world = make_world(machine)
    world.declare()
    world.at("available")
    machine.hangs = True
    assert world.ask("deploy").status_code == 202
    world.conductor.run_until_idle()
    assert world.ask("abort").status_code == 202
    machine.hangs = False
    assert world.do("deploy").state == "active"
    assert machine.boots == ["ramdisk", "ramdisk", "disk"]


def test_the_static_address_goes_to_the_nic_that_boots(make_world: Make) -> None:
    machine = Machine()
    first = "00:00:00:00:00:02"
    machine.reports = report(machine.serial, [first, machine.mac], DISKS, BootMode.BIOS)
    machine.reports["boot_interface"] = machine.mac
    world = make_world(machine)
    world.declare({"match": {"name": "node-1"}, "address": machine.address})
    world.at("manageable")
    world.do("inspect")
    assert world.node().macs == (first, machine.mac)
    world.do("provide")
    assert world.do("deploy").state == "active"
    assert f'"ethernet_mac_address": "{machine.mac}"'.encode() in machine.config_drive()
    hosts = (world.folder / "dnsmasq.hosts").read_text()
    assert f"{machine.mac},{machine.address},node-1" in hosts
    assert f"{first},node-1" in hosts


@pytest.mark.parametrize(
    ("disks", "hints", "words"),
    [
        (DISKS, {"serial": "NONE"}, "no disk fits the root device hints"),
        (DISKS, {"min_size_gib": 5}, "2 disks fit the root device hints"),
        ((Disk("/dev/sda", GIB, "SMALL"),), None, "the image needs 2.0 GiB, more than a fitting disk has"),
        ((Disk("/dev/sda", None, "SIZELESS"),), None, "the image needs 2.0 GiB"),
        ((), None, "there are: none"),
    ],
)
def test_a_disk_that_is_not_clear_is_refused_before_and_after_the_boot(
    make_world: Make, disks: tuple[Disk, ...], hints: dict[str, object] | None, words: str
) -> None:
    """Refused at once where the disks are known; where they are not, when the agent has told them."""
    machine = Machine(disks=disks)
    world = make_world(machine)
    world.declare({"match": {"name": "node-1"}} | ({"root_device": hints} if hints else {}))
    world.at("available")
    answer = world.ask("deploy")
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert all(str(disk.serial) in answer.json()["detail"] for disk in disks)
    assert world.node().state == "available"
    assert machine.deeds == []

    with world.store.write() as tx:
        tx.nodes.update(tx.nodes.get("node-1").uuid, inventory=None)
    assert words in failed(world, "deploy", "deploy failed")
    assert fault(world) == StepFault.NO_DISK_FITS
    assert machine.agent.written == []
    assert machine.agent.count(WRITE) == 0


def test_hints_choose_the_disk(ready: World) -> None:
    ready.declare({"match": {"name": "node-1"}, "root_device": {"rotational": True}})
    assert ready.do("deploy").state == "active"
    assert [written.disk for written in ready.machines[0].agent.written] == ["/dev/sda"]


def test_an_image_that_is_larger_than_every_disk(ready: World) -> None:
    build_images(ready.images_dir, virtual_size=100 * GIB)
    answer = ready.ask("deploy")
    assert answer.status_code == 422
    assert "the image needs 100.0 GiB" in answer.json()["detail"]
    assert ready.node().state == "available"


def test_a_damaged_image_is_found_before_the_machine_is_touched(ready: World) -> None:
    (ready.images_dir / "debian-12" / "disk").write_bytes(b"a whole disc")
    before = ready.node()
    answer = ready.ask("deploy")
    assert answer.status_code == 422
    assert "sha512" in answer.json()["detail"]
    assert ready.node() == before
    assert ready.runs() == []
    assert ready.machines[0].deeds == []


def test_an_image_that_is_damaged_after_the_request_is_found_as_well(ready: World) -> None:
    assert ready.ask("deploy").status_code == 202
    (ready.images_dir / "debian-12" / "disk").write_bytes(b"a whole disc")
    ready.settle()
    assert ready.node().state == "deploy failed"
    assert "check_image" in (ready.node().last_error or "")
    assert ready.machines[0].deeds == []


def test_a_deploy_without_a_declared_host(world: World) -> None:
    world.at("available")
    answer = world.ask("deploy")
    assert answer.status_code == 422
    assert "no declared host matches" in answer.json()["detail"]
    assert world.node().state == "available"
    assert world.runs() == []


def test_a_declaration_that_changes_during_the_write_does_not_stop_it(ready: World) -> None:
    agent = ready.machines[0].agent
    agent.polls = None
    assert ready.ask("deploy").status_code == 202
    ready.settle(until=lambda: "heard" in ready.runs()[-1].memo)
    ready.declare({"match": {"name": "another"}})
    agent.finish()
    agent.polls = 1
    ready.settle()
    assert ready.node().state == "active"


def test_a_second_deploy_does_not_replace_the_key_of_the_first(ready: World) -> None:
    node = ready.node()
    _, late = ready.instances.declare(node)
    assert ready.ask("deploy").status_code == 202
    with ready.store.read() as tx:
        kept = tx.secrets.get(node.uuid, "ssh-host-key")
    assert late["ssh-host-key"] != kept
    assert ready.ask("deploy").status_code == 409
    with ready.store.read() as tx:
        assert tx.secrets.get(node.uuid, "ssh-host-key") == kept
    ready.settle()
    assert kept.reveal().splitlines()[2].encode() in ready.machines[0].config_drive()
    with ready.store.read() as tx:
        assert tx.secrets.find(node.uuid, "ssh-host-key") is None


def test_a_wrong_key_file_fails_the_run_in_words(world: World) -> None:
    world.enroll()
    world.key = Fernet(Fernet.generate_key())
    world.start(Fuse())
    assert world.ask("manage").status_code == 202
    world.settle()
    assert "another key" in (world.node().last_error or "")
    assert world.node().state == "enroll"


def test_a_machine_without_any_known_mac_is_told_how_to_get_one(make_world: Make) -> None:
    world = make_world(Machine(macs_by_bmc=False))
    world.enroll()
    assert world.do("manage").state == "manageable"
    assert "undercloud node set node-1 --mac" in failed(world, "inspect", "inspect failed")
    assert world.machines[0].bmc.power is PowerState.OFF
