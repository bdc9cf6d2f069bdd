"""What operators ask of BMCs as runs: identity first, journaled before, and once, whenever the seed dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from seed_machine import Machine
from seed_world import Fuse, Killed, World

from hwdrivers.bmc import Identity, PowerAction, PowerState
from hwdrivers.errors import BMCTimeout
from hwdrivers.fake import FakeBMC, Fault
from hwdrivers.fake_parts import FakeFirmware, FakeTask
from hwdrivers.interfaces import RAIDController, RAIDDisk, RAIDVolume
from seed.model import Run

GIB = 1024**3
ON, OFF = PowerState.ON, PowerState.OFF


def redfish(address: str, **more: Any) -> FakeBMC:
    return FakeBMC(address.replace("ipmi://", "redfish://"), **more)


@pytest.fixture
def machine() -> Machine:
    return Machine(bmc=redfish)  # type: ignore[arg-type]


@pytest.fixture
def world(make_world: Callable[..., World], machine: Machine) -> World:
    return make_world(machine)


def ask(world: World, verb: str, **args: Any) -> dict[str, Any]:
    nodes = [machine.name for machine in world.machines]
    answer = world.operator.post(f"/bmc-runs/{verb}", json={"nodes": nodes, "args": args})
    assert answer.status_code == 202, answer.text
    rows: list[dict[str, Any]] = answer.json()
    return rows[0]


def take(world: World, verb: str, **args: Any) -> Run:
    """The run as it ended."""
    row = ask(world, verb, **args)
    assert row["error"] is None
    world.settle()
    return world.runs()[-1]


def powered(world: World, state: PowerState, provision_state: str = "manageable", **facts: Any) -> None:
    world.at(provision_state, power=state.value, expected_power=state.value, **facts)
    world.machines[0].bmc.power = state


def notes(world: World) -> list[str]:
    return [message.partition(": ")[2] for message in world.said("step.complete")]


# -- power -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "before", "deeds", "after", "said"),
    [
        ("on", OFF, ["power on"], ON, "powered on"),
        ("on", ON, [], ON, "is powered on already"),
        ("off", ON, ["power off"], OFF, "powered off"),
        ("off", OFF, [], OFF, "is powered off already"),
        ("soft", ON, ["power soft off"], OFF, "its operating system shut down"),
        ("soft", OFF, [], OFF, "is powered off already"),
        ("cycle", ON, ["power off", "power on"], ON, "power-cycled"),
        ("cycle", OFF, ["power on"], ON, "was powered off: switched on"),
        ("reset", ON, ["power reset"], ON, "reset"),
    ],
)
def test_power_is_changed_and_expected_so(
    world: World, action: str, before: PowerState, deeds: list[str], after: PowerState, said: str
) -> None:
    powered(world, before, "active")
    run = take(world, f"power {action}")
    assert (run.state.value, run.verb, run.who) == ("done", f"power {action}", "alice")
    assert world.machines[0].deeds == deeds
    node = world.node()
    assert (node.state, node.power, node.expected_power) == ("active", after.value, after.value)
    assert notes(world) == [said]
    destructive = [event.message for event in world.events("destructive")]
    assert bool(destructive) == any(deed not in ("power on",) for deed in deeds)


def test_the_journal_knows_before_the_power_goes(world: World) -> None:
    powered(world, ON)
    world.machines[0].bmc.faults.add(Fault.BUSY)
    ask(world, "power off")
    world.conductor.run_until_idle()
    assert world.said("destructive") == []
    world.machines[0].bmc.faults.clear()
    seen: list[list[str]] = []
    request = world.machines[0].bmc.request_power

    def watched(action: PowerAction) -> None:
        seen.append(world.said("destructive"))
        request(action)

    world.machines[0].bmc.request_power = watched  # type: ignore[method-assign]
    world.settle()
    assert seen == [["switching off node-1, as alice asks"]]


def test_a_ramdisk_ends_with_the_power(world: World) -> None:
    powered(world, ON, next_boot="ramdisk")
    take(world, "power off")
    assert world.node().next_boot.value == "disk"


def test_an_operating_system_that_does_not_shut_down_is_not_cut_off(world: World) -> None:
    powered(world, ON, "active")
    world.machines[0].bmc.faults.add(Fault.POWER_STAYS)
    run = take(world, "power soft")
    assert run.state.value == "failed"
    assert "did not shut down within 120 s" in (run.reason or "")
    assert "`undercloud node power off node-1` cuts the power" in (run.reason or "")
    assert world.machines[0].deeds == ["power soft off"]
    assert world.node().state == "active"


def test_a_reset_that_nobody_confirmed_is_not_repeated(world: World) -> None:
    powered(world, ON)
    bmc = world.machines[0].bmc

    def silent(action: PowerAction) -> None:
        bmc.note(f"power {action}")
        raise BMCTimeout.at(bmc.address, "reset", "it was silent", "try again")

    bmc.request_power = silent  # type: ignore[method-assign]
    run = take(world, "power reset")
    assert run.state.value == "failed"
    assert "not known whether the reset took place" in (run.reason or "")
    assert world.machines[0].deeds == ["power reset"]
    assert world.node().expected_power is None  # the next look at it takes it as it is


def test_a_power_cycle_outlives_its_seed_wherever_that_dies(make_world: Callable[..., World]) -> None:
    count = 0
    while True:
        world = make_world(Machine(bmc=redfish), folder=f"world-{count}")  # type: ignore[arg-type]
        powered(world, ON)
        ask(world, "power cycle")
        fuse = Fuse(count)
        world.start(fuse)
        try:
            world.conductor.run_until_idle()
        except Killed:
            world.start(Fuse())
            world.conductor.resume()
            world.settle()
        assert world.runs()[-1].state.value == "done", fuse.passed
        assert world.machines[0].deeds == ["power off", "power on"], fuse.passed
        assert world.node().expected_power == "power on"
        world.close()
        if not fuse.blown:
            break
        count += 1
    assert count > 6


# -- who may be asked ------------------------------------------------------------------------------


def test_another_machine_is_left_alone(world: World, machine: Machine) -> None:
    powered(world, ON)
    machine.bmc._identity = Identity(serial="SOMEBODY-ELSE")
    for verb, args in (
        ("power off", {}),
        ("bios reset", {}),
        ("firmware update", {"image": "http://10.0.0.1/x"}),
        ("raid apply", {"target": {"logical_disks": []}}),
    ):
        run = take(world, verb, **args)
        assert run.state.value == "failed"
        assert "machine with serial SOMEBODY-ELSE, and node 'node-1' has SERIAL-1" in (run.reason or "")
    assert machine.deeds == []
    assert world.said("destructive") == []


def test_a_uuid_may_be_told_in_either_byte_order(world: World, machine: Machine) -> None:
    powered(world, ON)
    with world.store.write() as tx:
        known = world.node().inventory
        assert known is not None
        inventory = type(known).from_dict({**known.to_dict(), "uuid": "00112233-4455-6677-8899-aabbccddeeff"})
        tx.nodes.update(world.node().uuid, inventory=inventory)
    machine.bmc._identity = Identity(uuid="33221100-5544-7766-8899-AABBCCDDEEFF")
    assert take(world, "power off").state.value == "done"
    machine.bmc._identity = Identity(uuid="33221100-5544-7766-8899-AABBCCDDEE00")
    assert "UUID" in (take(world, "power on").reason or "")


@pytest.mark.parametrize(
    ("verb", "args", "state", "facts", "words"),
    [
        ("power off", {}, "enroll", {}, "is not managed yet"),
        ("power on", {}, "decommissioned", {}, "is decommissioned, and never booted again"),
        (
            "power off",
            {},
            "active",
            {"maintenance": True, "maintenance_reason": "DIMM"},
            "in maintenance (DIMM",
        ),
        ("raid apply", {"target": {"logical_disks": []}}, "active", {}, "is 'active'; 'raid apply' is taken"),
        ("raid apply", {"target": {"logical_disks": []}}, "available", {"protected": True}, "protected"),
        (
            "bios reset",
            {},
            "active",
            {"abilities": {"bios": {"supported": False, "detail": "IPMI has no bios"}}},
            "unsupported: IPMI has no bios",
        ),
    ],
)
def test_what_is_refused_changes_nothing(
    world: World, verb: str, args: dict[str, Any], state: str, facts: dict[str, Any], words: str
) -> None:
    powered(world, ON, state, **facts)
    before = world.node()
    row = ask(world, verb, **args)
    assert row["run"] is None
    assert words in row["error"]
    assert (world.node(), world.runs(), world.events()) == (before, [], [])


def test_one_run_at_a_time(world: World) -> None:
    world.at("manageable")
    world.machines[0].hangs = True
    assert world.ask("inspect").status_code == 202
    world.conductor.run_until_idle()
    assert ask(world, "power off")["error"] == "node 'node-1': run 1 (inspect) is under way"
    answer = world.operator.post("/operations/led-set", json={"nodes": ["node-1"], "args": {"on": True}})
    assert "run 1 (inspect) is under way" in answer.json()["error"]
    assert "led on" not in world.machines[0].deeds
    assert world.operator.post("/operations/led", json={"nodes": ["node-1"]}).json()["result"] == {
        "lit": False
    }


@pytest.mark.parametrize(
    ("verb", "args", "words"),
    [
        ("firmware update", {"image": "ftp://10.0.0.1/x"}, "http:// or https://"),
        ("firmware update", {"image": "http://u:geheim@10.0.0.1/x"}, "user name or password"),
        ("bios set", {"values": {"SetupPassword": "geheim"}}, "would stand in the journal"),
        ("bios set", {"values": {}}, "at least 1"),
        ("power off", {"force": True}, "Extra inputs"),
        ("raid apply", {"target": {"logical_disks": [{"size_gb": 1, "raid_level": "7"}]}}, "JBOD"),
    ],
)
def test_wrong_arguments_are_told_and_not_repeated(
    world: World, verb: str, args: dict[str, Any], words: str
) -> None:
    world.at("manageable")
    answer = world.operator.post(f"/bmc-runs/{verb}", json={"nodes": ["node-1"], "args": args})
    assert answer.status_code == 422
    assert words in answer.text
    assert "geheim" not in answer.text
    assert world.runs() == []


# -- BIOS settings ---------------------------------------------------------------------------------


def settings(machine: Machine, what: str) -> dict[str, Any]:
    """Their values, or what is pending of them, as somebody else reads them."""
    machine.bmc.is_open = True
    told = {setting.name: getattr(setting, what) for setting in machine.bmc.bios.settings()}
    return {name: value for name, value in told.items() if value is not None}


def test_settings_are_staged_once_and_count_from_the_next_boot(world: World, machine: Machine) -> None:
    powered(world, ON)
    wanted = {"BootMode": "Bios", "LogicalProc": "false", "MemFrequency": "2666"}
    take(world, "bios set", values=wanted)
    assert settings(machine, "pending") == {"BootMode": "Bios", "LogicalProc": False, "MemFrequency": 2666}
    assert "BootMode Uefi → Bios" in world.said("destructive")[0]
    deeds = machine.deeds
    take(world, "bios set", values=wanted)
    assert machine.deeds == deeds
    assert notes(world)[-1] == "all settings are so already, or staged"
    take(world, "power cycle")
    assert settings(machine, "value")["BootMode"] == "Bios"
    take(world, "bios reset")
    take(world, "power cycle")
    assert settings(machine, "value")["BootMode"] == "Uefi"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"BootMode": "Bios", "BotMode": "x"}, "there is no BIOS setting 'BotMode'; there are: BootMode"),
        ({"LogicalProc": "perhaps"}, "'LogicalProc' is true or false"),
        ({"MemFrequency": "fast"}, "'MemFrequency' is a number"),
        ({"BootMode": "Coreboot"}, "it takes Uefi, Bios"),
    ],
)
def test_one_wrong_setting_changes_none(
    world: World, machine: Machine, values: dict[str, Any], words: str
) -> None:
    powered(world, ON)
    run = take(world, "bios set", values=values)
    assert run.state.value == "failed"
    assert words in (run.reason or "")
    assert machine.deeds == []


# -- firmware --------------------------------------------------------------------------------------

IMAGE = {"image": "http://10.0.0.1/bios.bin", "targets": ["BIOS"]}


def test_an_update_is_followed_to_its_end(world: World, machine: Machine) -> None:
    powered(world, ON)
    machine.bmc.tasks.stride = 30
    run = take(world, "firmware update", **IMAGE)
    assert run.state.value == "done"
    assert machine.deeds == ["firmware http://10.0.0.1/bios.bin BIOS"]
    assert [m.rpartition("(")[2] for m in world.said("step.waiting")[1:]] == ["30 %)", "60 %)", "90 %)"]
    assert notes(world) == ["BIOS 1.0 → 9.9"]


def test_an_update_outlives_the_seed_and_a_bmc_that_restarts(world: World, machine: Machine) -> None:
    powered(world, ON)
    machine.bmc.tasks.stride = 40
    ask(world, "firmware update", **IMAGE)
    world.conductor.run_until_idle()
    world.start(Fuse())  # the one before was killed
    world.conductor.resume()
    machine.bmc.faults.add(Fault.TIME_OUT)
    for _ in range(20):
        world.pass_time(seconds=11)
        world.conductor.run_until_idle()
    assert "the BMC to answer again" in (world.runs()[-1].reason or "")
    machine.bmc.faults.clear()
    world.settle()
    assert world.runs()[-1].state.value == "done"
    assert len(machine.deeds) == 1


def test_a_task_that_the_bmc_forgot_is_told_by_the_versions(world: World, machine: Machine) -> None:
    powered(world, ON)
    ask(world, "firmware update", **IMAGE)
    world.conductor.run_until_idle()
    machine.bmc.tasks._jobs.pop().work()
    world.settle()
    assert notes(world) == ["BIOS 1.0 → 9.9"]
    machine.bmc.firmware.new_version = "9.9"
    ask(world, "firmware update", **IMAGE)
    world.conductor.run_until_idle()
    machine.bmc.tasks._jobs.clear()
    world.settle()
    assert "not known whether the update took place: its task is gone" in (world.runs()[-1].reason or "")


class Deadly(FakeFirmware):
    """The seed dies just when the BMC took the request."""

    def update(self, *arguments: Any) -> FakeTask:
        super().update(*arguments)
        raise Killed("after the update was asked for")


def test_an_update_is_asked_for_once(world: World, machine: Machine) -> None:
    powered(world, ON)
    machine.bmc.firmware = Deadly(machine.bmc)
    ask(world, "firmware update", **IMAGE)
    with pytest.raises(Killed):
        world.conductor.run_until_idle()
    machine.bmc.firmware = FakeFirmware(machine.bmc)
    world.start(Fuse())
    world.conductor.resume()
    world.settle()
    assert "not known whether the update took place: the seed ended" in (world.runs()[-1].reason or "")
    assert len(machine.deeds) == 1


@pytest.mark.parametrize(
    ("targets", "failure", "words"),
    [
        (["BOIS"], None, "there is no component 'BOIS'; there are: BIOS, BMC"),
        (["BIOS"], "signature is wrong", "the BMC failed at it: signature is wrong"),
    ],
)
def test_an_update_that_fails_says_why(
    world: World, machine: Machine, targets: list[str], failure: str | None, words: str
) -> None:
    powered(world, ON)
    machine.bmc.tasks.failure = failure
    run = take(world, "firmware update", **{**IMAGE, "targets": targets})
    assert run.state.value == "failed"
    assert words in (run.reason or "")


# -- RAID ------------------------------------------------------------------------------------------

DISKS = tuple(RAIDDisk(f"D{n}", 480 * GIB, f"S{n}", "M", "SSD") for n in range(4))
OLD = RAIDVolume("old", "5", 960 * GIB, ("D0", "D1", "D2"), "Volume.old")
TARGET = {
    "logical_disks": [
        {"size_gb": 100, "raid_level": "1", "volume_name": "root", "is_root_volume": True},
        {"size_gb": "MAX", "raid_level": "0", "number_of_physical_disks": 2},
    ]
}


def planned(world: World) -> dict[str, Any]:
    answer = world.operator.post(
        "/operations/raid-plan", json={"nodes": ["node-1"], "args": {"target": TARGET}}
    )
    told: dict[str, Any] = answer.json()["result"]
    return told


def apply(world: World) -> dict[str, Any]:
    agreed = {world.node().uuid: planned(world)["lost"]}
    return ask(world, "raid apply", target=TARGET, lost=agreed)


def volumes(machine: Machine) -> list[tuple[str, str | None, tuple[str, ...]]]:
    return [(v.name, v.level, v.disks) for v in machine.bmc.raid.there[0].volumes]


WANTED = [("root", "1", ("D0", "D1")), ("volume-2", "0", ("D2", "D3"))]


def test_volumes_become_what_is_wanted_and_stay_so(world: World, machine: Machine) -> None:
    powered(world, OFF)
    machine.bmc.raid.there = [RAIDController("RAID.1", "H740", DISKS, (OLD,))]
    assert planned(world)["lost"] == [
        "volume old (RAID.1/Volume.old)",
        *(f"disk D{n} serial S{n}" for n in range(4)),
    ]
    apply(world)
    world.settle()
    assert volumes(machine) == WANTED
    assert notes(world)[0].endswith("the root volume is root of 100 GiB")
    assert [m.partition(" on ")[0] for m in world.said("destructive")] == [
        "delete old",
        "create root (RAID 1 of D0, D1)",
        "create volume-2 (RAID 0 of D2, D3)",
    ]
    deeds = machine.deeds
    apply(world)
    world.settle()
    assert machine.deeds == deeds
    assert notes(world)[1].startswith("all volumes are as wanted already")


def test_nothing_is_lost_that_nobody_agreed_to_lose(world: World, machine: Machine) -> None:
    powered(world, OFF)
    machine.bmc.raid.there = [RAIDController("RAID.1", "H740", DISKS)]
    agreed = {world.node().uuid: planned(world)["lost"]}
    machine.bmc.raid.there = [RAIDController("RAID.1", "H740", DISKS, (OLD,))]  # meanwhile
    run = take(world, "raid apply", target=TARGET, lost=agreed)
    assert "nobody agreed to lose volume old (RAID.1/Volume.old)" in (run.reason or "")
    assert volumes(machine) == [("old", "5", OLD.disks)]
    assert machine.deeds == []


def test_volumes_outlive_the_seed_wherever_that_dies(make_world: Callable[..., World]) -> None:
    count = 0
    while True:
        machine = Machine(bmc=redfish)  # type: ignore[arg-type]
        world = make_world(machine, folder=f"world-{count}")
        powered(world, OFF)
        machine.bmc.raid.there = [RAIDController("RAID.1", "H740", DISKS, (OLD,))]
        apply(world)
        fuse = Fuse(count)
        world.start(fuse)
        try:
            world.settle()
        except Killed:
            world.start(Fuse())
            world.conductor.resume()
            world.settle()
        assert world.runs()[-1].state.value == "done", (fuse.passed, world.runs()[-1].reason)
        assert volumes(machine) == WANTED
        assert len(machine.deeds) == 3
        world.close()
        if not fuse.blown:
            break
        count += 1
    assert count > 12
