"""From a node's journal to its attempts to boot, how long hops take here, and what operators are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from seed_clock import MovedClock
from seed_world import World
from store_places import KINDS as STORES

from hwdrivers.address import BMCAddress
from hwdrivers.fake import Fault
from pxe.diagnosis.attempt import Way
from pxe.diagnosis.diagnose import diagnose
from pxe.diagnosis.diagnosis import Verdict
from pxe.milestones import KINDS, Hop
from seed.boot_attempts import BOOTING, split
from seed.boot_times import durations, usual
from seed.boots import BLOCK, Boots, Told
from seed.declarations import new_node
from seed.model import Event, NextBoot, Run, RunState
from seed.steps.boot_ramdisk import BootRamdisk
from seed.store import Store
from seed.verbs import IN_MEMORY, STEPS

MAC = "52:54:00:00:00:01"
FIRMWARE = {"vendor_class": "PXEClient:Arch:00007:UNDI:003016", "architecture": 7}
WELL = (
    ("boot.dhcpdiscover", 12),
    ("boot.dhcpoffer", 1),
    ("boot.dhcpack", 1),
    ("boot.tftp", 2),
    ("boot.script", 3),
    ("boot.kernel", 1),
    ("boot.initramfs", 4),
    ("agent.report", 30),
    ("agent.lookup", 1),
    ("agent.heartbeat", 2),
)


class Site:
    """A store with a node, where things happen one after another."""

    def __init__(self, where: Path | str) -> None:
        self.clock = MovedClock()
        self.store = Store(where, Fernet(Fernet.generate_key()), clock=self.clock)
        self.boots = Boots(seed="192.0.2.1", clock=self.clock)
        self.uuids: dict[str, str] = {}
        self.add("node-1", MAC)

    def add(self, name: str, *macs: str) -> None:
        number = len(self.uuids) + 1
        node = new_node(BMCAddress.parse(f"ipmi://192.0.2.{number}"), "rack", name, macs)
        with self.store.write() as tx:
            tx.nodes.add(node)
            tx.nodes.update(node.uuid, next_boot=NextBoot.RAMDISK, power="power on")
        self.uuids[name] = node.uuid

    def run(self, verb: str, *steps: str, node: str = "node-1") -> Run:
        with self.store.write() as tx:
            return tx.runs.open(tx.runs.new(self.uuids[node], verb, "alice", steps, return_to="available"))

    def end(self, run: Run, state: str, cursor: int = 0) -> None:
        with self.store.write() as tx:
            ended = replace(run, state=RunState(state), cursor=cursor, finished_at=self.clock())
            tx.runs.save([ended])

    def happens(
        self,
        kind: str,
        after: float = 1,
        message: str = "",
        *,
        node: str | None = "node-1",
        run: Run | None = None,
        **data: Any,
    ) -> None:
        self.clock.move(timedelta(seconds=after))
        uuid = self.uuids[node] if node else None
        with self.store.write() as tx:
            tx.events.add(kind, message or kind, node=uuid, run=run.id if run else None, **data)

    def boots_well(self, run: Run | None = None, node: str = "node-1", slower: float = 1) -> None:
        self.happens("power.on", 60, node=node, run=run)
        self.happens("step.waiting", 0, "boot_ramdisk: waits", node=node, run=run, step="boot_ramdisk")
        for kind, after in WELL:
            self.happens(kind, after * slower, node=node)

    def told(self, most: int = 10) -> list[Told]:
        with self.store.read() as tx:
            return self.boots.of(tx, tx.nodes.get("node-1"), most, usual(tx))

    def newest(self) -> Told:
        return self.told()[0]


@pytest.fixture
def site(new_store: Callable[[Path], Path | str], tmp_path: Path) -> Iterator[Site]:
    site = Site(new_store(tmp_path))
    yield site
    site.store.close()


# -- attempts ------------------------------------------------------------------------------------------


def test_a_deploy_is_a_boot_of_the_ramdisk_and_one_from_disk(site: Site) -> None:
    run = site.run("deploy", "boot_ramdisk", "write_image", "boot_from_disk", "first_boot")
    site.boots_well(run)
    site.happens("image.written", 60, run=run)
    site.happens("power.off", 5, run=run)
    site.happens("power.disk", 2, run=run)
    site.happens("boot.script", 10, "asked what to boot: disk")
    site.end(run, "waiting", cursor=3)
    disk, ramdisk = site.told()
    assert (ramdisk.attempt.way, ramdisk.attempt.reached, ramdisk.attempt.missing) == (
        Way.RAMDISK,
        Hop.IMAGE,
        None,
    )
    assert (disk.attempt.way, disk.attempt.until, disk.attempt.missing) == (Way.DISK, Hop.HOME, Hop.HOME)
    assert diagnose(disk.attempt).verdict is Verdict.UNDER_WAY
    assert ramdisk.ended is not None
    site.happens("instance.home", 60)
    site.end(run, "done", cursor=4)
    assert diagnose(site.newest().attempt).verdict is Verdict.UP


def test_a_ramdisk_that_stays_up_is_part_of_the_next_run(site: Site) -> None:
    inspect = site.run("inspect", "boot_ramdisk", "record_inventory")
    site.boots_well(inspect)
    site.end(inspect, "done", cursor=2)
    deploy = site.run("deploy", "boot_ramdisk", "write_image")
    site.happens("step.complete", 60, "boot_ramdisk: runs already", run=deploy, step="boot_ramdisk")
    failed = "write_image: image checksum does not match"
    site.happens("step.failed", 60, failed, run=deploy, step="write_image")
    site.end(deploy, "failed", cursor=1)
    (told,) = site.told()
    assert told.run is not None and told.run.verb == "deploy"
    found = diagnose(told.attempt)
    assert (found.id, found.hop) == ("image.checksum", Hop.IMAGE)


def test_a_bmc_that_refuses_is_an_attempt_without_power(site: Site) -> None:
    first = site.run("inspect", "boot_ramdisk")
    site.boots_well(first)
    site.end(first, "done", cursor=1)
    second = site.run("provide", "boot_ramdisk")
    words = "boot_ramdisk: ipmi://192.0.2.1: cannot ask for power on: no answer"
    site.happens("step.retry", 60, f"{words} (attempt 1 of 4), again in 2 s", run=second, fault="bmc")
    site.happens("step.failed", 60, words, run=second, step="boot_ramdisk", fault="bmc")
    site.end(second, "failed")
    refused, before = site.told()
    assert diagnose(refused.attempt).id == "power.refused"
    assert diagnose(before.attempt).verdict is Verdict.UP


def test_a_machine_that_a_run_tries_to_switch_on_is_waited_for(site: Site) -> None:
    with site.store.write() as tx:
        tx.nodes.update(site.uuids["node-1"], power="power off", expected_power="power off")
    run = site.run("inspect", "boot_ramdisk")
    words = "boot_ramdisk: ipmi://192.0.2.1: cannot reach power on: it stayed off for 61 s"
    site.happens("step.retry", 61, f"{words} (attempt 1 of 4), again in 2 s", run=run, fault="bmc")
    site.clock.move(timedelta(minutes=5))
    assert diagnose(site.newest().attempt).id == "power.refused"


def test_a_bmc_that_takes_the_second_request_is_one_attempt(site: Site) -> None:
    run = site.run("inspect", "boot_ramdisk")
    site.happens("step.retry", 1, "boot_ramdisk: ipmi://x: busy (attempt 1 of 4)", run=run, fault="bmc")
    site.boots_well(run)
    (told,) = site.told()
    assert told.attempt.missing is None


def test_a_machine_that_resets_by_itself_begins_anew(site: Site) -> None:
    site.boots_well(site.run("inspect", "boot_ramdisk"))
    site.happens("boot.dhcpdiscover", 600, **FIRMWARE)
    newest, before = site.told()
    assert newest.attempt.reached is Hop.DISCOVER
    assert before.attempt.reached is Hop.HEARTBEAT


def test_ipxe_and_the_ramdisk_ask_for_addresses_within_one_attempt(site: Site) -> None:
    site.happens("power.on")
    site.happens("boot.dhcpdiscover", **FIRMWARE)
    site.happens("boot.tftp")
    site.happens("boot.dhcpdiscover", **FIRMWARE, user_class="iPXE")
    site.happens("boot.kernel")
    site.happens("boot.initramfs")
    site.happens("boot.dhcpdiscover", vendor_class="dhcpcd-9.4.1")
    assert len(site.told()) == 1


def test_power_that_was_switched_by_hand_is_an_attempt(site: Site) -> None:
    site.happens("power.drift", 1, "was switched off outside of the seed")
    site.happens("power.drift", 60, "was switched on outside of the seed")
    site.happens("boot.dhcpdiscover", 5, **FIRMWARE)
    (told,) = site.told()
    assert told.run is None
    assert diagnose(told.attempt).verdict is Verdict.UP  # nobody waits for it


def test_a_machine_that_never_booted_is_no_patient(site: Site) -> None:
    (told,) = site.told()
    assert told.began is None
    assert diagnose(told.attempt).verdict is Verdict.UP


def test_a_run_that_was_aborted_leaves_no_patient(site: Site) -> None:
    run = site.run("inspect", "boot_ramdisk")
    site.happens("power.on", run=run)
    site.happens("step.waiting", 0, "boot_ramdisk: waits", run=run, step="boot_ramdisk")
    site.end(run, "aborted")
    site.clock.move(timedelta(hours=1))
    assert diagnose(site.newest().attempt).verdict is Verdict.UP


def test_old_attempts_are_found_beyond_much_else(site: Site) -> None:
    for _ in range(3):
        site.boots_well(site.run("inspect", "boot_ramdisk"))
        with site.store.write() as tx:
            for run in tx.runs.of_node(site.uuids["node-1"]):
                tx.runs.save([replace(run, finished_at=site.clock())])
            for _ in range(BLOCK):
                tx.events.add("bmc.asked", "sensors, by alice", node=site.uuids["node-1"])
    assert [told.attempt.reached for told in site.told()] == [Hop.HEARTBEAT] * 3
    assert len(site.told(most=2)) == 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*KINDS, "step.waiting", "destructive", "power.drift", "state"]),
            st.sampled_from(["boot_ramdisk: x", "was switched on", "resetting", "switching off", ""]),
            st.sampled_from([None, 1, 2]),
        ),
        max_size=30,
    )
)
def test_every_milestone_is_part_of_one_attempt_at_most(told: list[tuple[str, str, int | None]]) -> None:
    clock = MovedClock()
    events = [Event(n, clock(), kind, words, "uuid", run) for n, (kind, words, run) in enumerate(told)]
    boots = split(events)
    kept = [event.id for boot in boots for event in boot.events]
    assert kept == sorted(set(kept))
    assert all(boot.events for boot in boots)
    assert all(boot.ended for boot in boots[:-1])
    for boot in boots:
        assert boot.way(NextBoot.DISK) in Way


# -- strangers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STORES)
def test_a_stranger_that_asked_meanwhile_is_named(site: Site) -> None:
    site.add("node-2", "52:54:00:00:00:02")
    site.happens("boot.stranger", 1, node=None, mac="52:54:00:00:00:77")  # long before
    run = site.run("inspect", "boot_ramdisk")
    site.clock.move(timedelta(hours=1))
    site.happens("power.on", run=run)
    site.happens("step.waiting", 0, "boot_ramdisk: waits", run=run, step="boot_ramdisk")
    site.happens("boot.stranger", 5, node=None, mac="52:54:00:00:00:02")  # was enrolled since
    site.happens("boot.stranger", 5, node=None, mac="52:54:00:00:00:99")
    site.clock.move(timedelta(hours=1))
    found = diagnose(site.newest().attempt)
    assert (found.id, found.hop) == ("nic.stranger", Hop.DISCOVER)
    assert "52:54:00:00:00:99" in found.summary
    assert "--mac 52:54:00:00:00:99" in found.causes[0].do


# -- what is usual here ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STORES)
def test_the_usual_time_of_a_hop_is_learnt_from_all_nodes(site: Site) -> None:
    for number in range(2, 12):
        site.add(f"node-{number}")
        site.boots_well(node=f"node-{number}", slower=1 if number < 11 else 10)
    with site.store.read() as tx:
        known = usual(tx)
    assert known[Hop.DISCOVER].median == 12
    assert 12 <= known[Hop.DISCOVER].p90 <= 24
    assert known[Hop.DISCOVER].boots == 10
    assert Hop.HOME not in known
    assert Hop.POWER not in known


def test_two_boots_make_nothing_usual(site: Site) -> None:
    site.boots_well()
    site.boots_well()
    with site.store.read() as tx:
        assert usual(tx) == {}


def test_a_hop_that_comes_again_counts_once() -> None:
    clock = MovedClock()
    at = [clock() + timedelta(seconds=n) for n in range(10)]
    told = [
        ("a", "power.on", at[0]),
        ("b", "boot.dhcpack", at[1]),  # how that boot began is not known
        ("a", "boot.dhcpdiscover", at[3]),
        ("a", "boot.tftp", at[5]),
        ("a", "boot.dhcpdiscover", at[6]),  # iPXE
        ("a", "boot.script", at[9]),
    ]
    assert durations(told) == {Hop.DISCOVER: [3.0], Hop.LOADER: [2.0], Hop.SCRIPT: [4.0]}


# -- a failed run ----------------------------------------------------------------------------------------


def test_the_error_of_a_run_says_what_is_missing_and_what_to_do(world: World) -> None:
    world.at("manageable")
    world.machines[0].hangs = True
    node = world.do("inspect")
    assert node.state == "inspect failed"
    assert (node.last_error or "").endswith(
        "UTC: powered on to boot from the network. First missing is DHCPDISCOVER: node-1 was switched on, "
        "but nothing is heard of it on the provisioning network. Likeliest: the cable: not plugged in, or in "
        "another port; no link; look at the link LEDs of NIC and switch; follow the cable. "
        "More: `undercloud why node-1`"
    )
    why = world.operator.get("/nodes/node-1/why").json()
    assert (why["id"], why["hop"], why["verdict"]) == ("nic.silent", "DHCPDISCOVER", "stuck")
    (boot,) = world.operator.get("/nodes/node-1/boots").json()["boots"]
    standings = {hop["hop"]: hop["standing"] for hop in boot["hops"]}
    assert standings["power on"] == "seen"
    assert standings["DHCPDISCOVER"] == "missing"
    assert standings["agent's heartbeat"] == "ahead"


def test_a_bmc_that_does_not_answer_is_named_by_why(world: World) -> None:
    world.at("manageable")
    world.machines[0].hangs = True
    world.do("inspect")
    world.machines[0].bmc.faults.add(Fault.TIME_OUT)
    why = world.operator.get("/nodes/node-1/why").json()
    assert why["evidence"][-1]["text"].startswith("its BMC does not tell its power: ipmi://192.0.2.1: ")


def test_a_machine_that_is_up_has_nothing_wrong(world: World) -> None:
    world.at("manageable")
    assert world.do("inspect").state == "manageable"
    why = world.operator.get("/nodes/node-1/why").json()
    assert (why["verdict"], why["causes"]) == ("up", [])
    assert world.operator.get("/nodes/nobody/why").status_code == 404


def test_the_steps_that_wait_are_those_that_are_there() -> None:
    assert BootRamdisk.name in BOOTING
    assert set(BOOTING) <= {step for steps in (*STEPS.values(), *IN_MEMORY.values()) for step in steps}


def test_a_host_that_is_sent_away_is_journaled_once(world: World) -> None:
    world.declare({"match": {"name": "node-1"}, "address": "10.0.0.50"})
    world.at("available")
    assert world.ask("deploy").status_code == 202
    home, instance = f"/v1/phone-home/{world.node().uuid}", world.instance().uuid
    for _ in range(2):
        assert world.face_at("10.0.0.51").post(home, data={"instance_id": instance}).status_code == 403
    (told,) = world.events("instance.refused")
    away = "10.0.0.51 called home and was sent away"
    assert told.message == f"{away}: this call comes from another host than the declared 10.0.0.50"
