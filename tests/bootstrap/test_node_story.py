"""What operators say of nodes and are told of them: flags, power, history, events; as printed, whole."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_certificate import self_signed
from cryptography.fernet import Fernet
from rich.console import Console
from seed_machine import Machine
from seed_world import KEY, World
from typer.testing import CliRunner

from bootstrap.cli import app
from bootstrap.cli.follow import newest_event, until_done
from bootstrap.client import Client
from bootstrap.config import read
from hwdrivers.bmc import PowerAction, PowerState
from hwdrivers.errors import BMCTimeout
from hwdrivers.fake import FakeBMC, FakeRack, Fault
from hwdrivers.governor import Governor, unpaced
from seed.lifecycle import ironic_39
from seed.power.sync import PowerSync
from seed.store import Store

CONFIG = """\
provisioning: {{interface: lo, address: 10.0.0.1/24, dhcp_range: [10.0.0.128, 10.0.0.254]}}
state_dir: {0}
images_dir: {0}/images
socket: {0}/seed.sock
"""


class Busy(FakeBMC):
    """Does not switch at first."""

    refusals = 0

    def request_power(self, action: PowerAction) -> None:
        if self.refusals:
            self.refusals -= 1
            raise BMCTimeout.at(self.address, f"ask for power {action}", "no answer", "try again")
        super().request_power(action)


class Site:
    """A seed that is down, whose store the commands work on; the world moves by itself."""

    def __init__(self, folder: Path, ca: str) -> None:
        self.config = folder / "undercloud.yaml"
        self.config.write_text(CONFIG.format(folder))
        (folder / "secrets.key").write_bytes(KEY)
        store = Store(folder / "undercloud.sqlite", Fernet(KEY))
        store.migrate()
        store.close()
        self.machines = [Machine(number, bmc=Busy) for number in (1, 2, 3)]
        self.world = World(folder, *self.machines, ca=ca, where=folder / "undercloud.sqlite")
        governor = Governor(unpaced(FakeRack(*(machine.bmc for machine in self.machines)).connect))
        world = self.world
        self.power = PowerSync(world.store, ironic_39(), governor, world.conductor.wake, clock=world.clock)

    def __call__(self, *words: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["--config", str(self.config), *words])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    def does(self, *words: str) -> str:
        code, said, complained = self(*words)
        assert (code, complained) == (0, ""), complained
        return said

    def sweep(self, times: int = 1) -> None:
        for _ in range(times):
            self.power.sweep()
            self.world.pass_time(minutes=1)

    def has(self, number: int, state: str, **facts: Any) -> FakeBMC:
        """A node with power, in `state`; its BMC."""
        machine = self.machines[number - 1]
        on = PowerState.ON
        self.world.at(state, machine, **{"power": on.value, "expected_power": on.value, **facts})
        machine.bmc.power = on
        return machine.bmc


@pytest.fixture(scope="module")
def ca() -> str:
    return self_signed("10.0.0.101")[0]


@pytest.fixture
def site(tmp_path: Path, ca: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """In Greenwich, with alice at the terminal."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("SUDO_USER", "alice")
    time.tzset()
    yield Site(tmp_path, ca)
    monkeypatch.undo()
    time.tzset()


def waiting(site: Site) -> None:
    """The first machine is asked to boot its ramdisk, and takes its time."""
    site.world.at("manageable")
    site.machines[0].hangs = True
    assert site.world.ask("inspect").status_code == 202
    site.world.conductor.run_until_idle()


# -- flags -----------------------------------------------------------------------------------------


def test_flags_are_set_and_told(site: Site) -> None:
    waiting(site)
    site.has(2, "active")
    assert site.does("node", "maintenance", "on", "node-1", "node-2", "--reason", "a bad DIMM") == (
        "node-1: in maintenance\n"
        "  run 1 (inspect) stands still at boot_ramdisk until maintenance ends\n"
        "node-2: in maintenance\n"
    )
    assert site.does("node", "protect", "node-2", "--reason", "payroll") == "node-2: protected\n"
    assert site.does("node", "retire", "node-2") == "node-2: retired\n"
    assert site.does("node", "retire", "node-2") == "node-2: retired already\n"
    shown = site.does("node", "show", "node-2")
    assert "\nmaintenance          a bad DIMM (by alice)\n" in shown
    assert "\nprotected            payroll\n" in shown
    assert "\nretired              no reason given\n" in shown
    assert "#1 inspect, by alice, waiting at boot_ramdisk: the agent to call" in site.does(
        "node", "show", "node-1"
    )
    listed = site.does("node", "list")
    assert "maintenance, protected, retired" in listed
    for undo in (("maintenance", "off"), ("unprotect",), ("unretire",)):
        site.does("node", *undo, "node-1", "node-2")
    assert "FLAGS" not in site.does("node", "list")
    rows = json.loads(site.does("node", "maintenance", "on", "node-2", "-o", "json"))
    assert [(row["node"], row["changed"], row["run"]) for row in rows] == [("node-2", True, None)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("maintenance", "on", "node-1", "nobody", "nowhere"), "there is no node 'nobody', 'nowhere'"),
        (("maintenance", "on", "node-1", "--reason", "two\nlines"), "reason"),
        (("protect", "node-9"), "nothing was changed: there is no node 'node-9'"),
        (("set", "node-1"), "say what to change of 'node-1'"),
        (("set", "node-1", "--console", "tcp://acs1:0"), "error: console: a number of a port from 1 on"),
        (("set", "node-1", "--console", "telnet://u:p@acs1"), "console: a console server is not logged in"),
        (("set", "node-1", "--ramdisk-network", "/gone"), "--ramdisk-network /gone: No such file"),
        (("set", "node-1", "--ramdisk-network", sys.executable), "is no text"),
        (("set", "node-1", "--ramdisk-network", __file__), "test_node_story.py is no JSON"),
    ],
)
def test_what_is_refused_changes_nothing(site: Site, words: tuple[str, ...], told: str) -> None:
    site.has(1, "active")
    before = site.world.node(), site.world.events()
    code, said, complained = site("node", *words)
    assert (code, said) == (1, "")
    assert told in complained
    assert (site.world.node(), site.world.events()) == before


@pytest.mark.parametrize(
    "words",
    [("maintenance", "perhaps", "node-1"), ("maintenance", "on"), ("power-policy", "guess", "node-1")],
)
def test_what_makes_no_sense_is_refused(site: Site, words: tuple[str, ...]) -> None:
    site.has(1, "active")
    assert site("node", *words)[0] == 2
    assert site.world.events() == []


# -- what a node looks like ------------------------------------------------------------------------


def test_the_list_tells_drift_and_attempts(site: Site) -> None:
    site.has(1, "active").power = PowerState.OFF
    site.sweep()
    (row,) = site.does("node", "list").splitlines()[1:]
    assert "power off, expected on" in row
    busy = site.has(2, "manageable")
    assert isinstance(busy, Busy)
    busy.refusals = 2
    assert site.world.ask("inspect", site.machines[1]).status_code == 202
    site.world.conductor.run_until_idle()
    assert "boot_ramdisk (attempt 2 of 4)" in site.does("node", "list")
    site.world.pass_time(minutes=1)
    site.world.conductor.run_until_idle()
    assert "boot_ramdisk (attempt 3 of 4)" in site.does("node", "list")
    assert (
        "boot_ramdisk (attempt 3 of 4): ipmi://192.0.2.2: cannot ask for power off: no answer"
        in site.does("node", "show", "node-2")
    )
    site.world.pass_time(minutes=1)
    site.world.conductor.run_until_idle()
    assert "attempt" not in site.does("node", "list")


# -- history ---------------------------------------------------------------------------------------


def test_a_history_is_told_by_runs(site: Site) -> None:
    site.world.enroll()
    site.world.pass_time(seconds=5)
    site.world.do("manage")
    site.world.pass_time(seconds=30)
    site.machines[0].hangs = True
    assert site.world.ask("inspect").status_code == 202
    site.world.conductor.run_until_idle()
    put(site, maintenance=True, reason="a bad DIMM")
    site.world.pass_time(hours=1)
    put(site, maintenance=False)
    site.machines[0].hangs = False
    site.world.settle()
    site.world.pass_time(minutes=1)
    put(site, power_policy="restore")
    site.machines[0].bmc.power = PowerState.ON
    site.sweep()
    site.world.conductor.run_until_idle()
    assert site.does("node", "history", "node-1") == HISTORY
    *_, heading, _, switching, done = HISTORY.splitlines(keepends=True)
    assert site.does("node", "history", "node-1", "--last", "3") == TITLE + heading + switching + done


def put(site: Site, **wanted: Any) -> None:
    answer = site.world.operator.post("/nodes/flags", json={"nodes": ["node-1"], **wanted})
    assert answer.status_code == 200


TITLE = "TIME                 SECONDS  WHAT\n"
HISTORY = (
    TITLE
    + """\
2026-11-22 12:00:00           ipmi://192.0.2.1 enrolled by alice
2026-11-22 12:00:05      0.0  #1 manage, by alice: done
2026-11-22 12:00:05             enroll → verifying (manage)
2026-11-22 12:00:05      0.0    verify_credentials: ipmi://192.0.2.1 accepts credentials 'rack'
2026-11-22 12:00:05             verifying → manageable (done)
2026-11-22 12:00:35   3600.0  #2 inspect, by alice: done
2026-11-22 12:00:35             manageable → inspecting (inspect)
2026-11-22 12:00:35             powered on to boot from the network
2026-11-22 12:00:35             inspecting → inspect wait (wait)
2026-11-22 12:00:35             boot_ramdisk: the agent to call home from the ramdisk
2026-11-22 12:00:35           in maintenance, by alice: a bad DIMM
2026-11-22 13:00:35           out of maintenance, by alice
2026-11-22 13:00:35           asked what to boot: ramdisk
2026-11-22 13:00:35           the agent at 10.0.0.101 reported its hardware
2026-11-22 13:00:35           the agent at 10.0.0.101 looked itself up
2026-11-22 13:00:35           the agent at 10.0.0.101 is ready
2026-11-22 13:00:35   3600.0    boot_ramdisk: agent 13.0.0 answers at 10.0.0.101
2026-11-22 13:00:35             inspect wait → inspecting (resume)
2026-11-22 13:00:35      0.0    record_inventory: 4 CPUs, 8192 MiB, 2 disks, 1 NICs
2026-11-22 13:00:35      0.0    leave_ramdisk: powered off
2026-11-22 13:00:35             inspecting → manageable (done)
2026-11-22 13:01:35           power policy report → restore, by alice
2026-11-22 13:01:35           was switched on outside of the seed
2026-11-22 13:01:35     60.0  #3 restore power, by power sync: done
2026-11-22 13:01:35             power off is to be restored
2026-11-22 13:02:35             switching node-1 back to 'power off'
2026-11-22 13:02:35     60.0    restore_power: power off again
"""
)


def test_a_history_tells_what_failed_and_what_goes_on(site: Site) -> None:
    waiting(site)
    assert "#1 inspect, by alice: under way at boot_ramdisk\n" in site.does("node", "history", "node-1")
    site.machines[0].cut_power()
    site.world.settle()
    said = site.does("node", "history", "node-1")
    assert "     30.0  #1 inspect, by alice: failed\n" in said
    assert "    boot_ramdisk: the machine lost power while it was booting the ramdisk; last seen" in said
    assert said.count("lost power") == 1
    site.world.do("manage")  # by itself: no run
    assert "inspect failed → manageable (manage), by alice\n" in site.does("node", "history", "node-1")


def test_a_history_as_json(site: Site) -> None:
    site.world.enroll()
    site.world.do("manage")
    found = json.loads(site.does("node", "history", "node-1", "-o", "json"))
    assert found["node"] == "node-1"
    assert [run["verb"] for run in found["runs"]] == ["manage"]
    assert [event["kind"] for event in found["events"]][:2] == ["node.enrolled", "state"]
    assert "memo" not in found["runs"][0]
    assert "there are: node-1" in site("node", "history", "nobody")[2]


# -- events ----------------------------------------------------------------------------------------


def test_events_by_kind_and_the_newest(site: Site) -> None:
    site.has(1, "active").power = PowerState.OFF
    site.has(2, "active").faults.add(Fault.TIME_OUT)
    site.sweep(3)
    fault = "its BMC cannot be asked: ipmi://192.0.2.2: cannot log in: no answer; check the cable"
    assert site.does("events", "--kind", "fault") == (
        f"2026-11-22 12:02:00  node-2        fault                 {fault}\n"
    )
    assert site.does("events", "--kind", "power.d") == (
        "2026-11-22 12:00:00  node-1        power.drift           was switched off outside of the seed\n"
    )
    assert site.does("events", "--kind", "%") == ""
    (newest,) = json.loads(site.does("events", "--last", "1", "-o", "json"))
    assert (newest["kind"], newest["node_name"]) == ("fault", "node-2")
    assert json.loads(site.does("events", "--node", "node-1", "--kind", "fault", "-o", "json")) == []


def test_followed_events_are_one_json_object_a_line(site: Site) -> None:
    site.world.enroll()
    argv = ["--config", str(site.config), "events", "--follow", "-o", "json", "--kind", "node"]
    follower = subprocess.Popen(
        [sys.executable, "-m", "bootstrap", *argv], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["kind"] == "node.enrolled"
        put(site, power_policy="accept")
        put(site, protected=True)
        told = [json.loads(follower.stdout.readline()) for _ in range(2)]
        assert [event["kind"] for event in told] == ["node.power_policy", "node.protected"]
    finally:
        follower.terminate()
        follower.wait(30)


# -- following runs --------------------------------------------------------------------------------


class Watching(Client):
    """As the command asks where a seed runs; the answers come from the application at once."""

    def __init__(self, site: Site) -> None:
        super().__init__(read(site.config))
        self._world = site.world

    def get(self, path: str, **query: Any) -> Any:
        wanted = {key: value for key, value in query.items() if value is not None}
        answer = self._world.operator.get(path, params=wanted)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.mark.parametrize("terminal", [False, True])
def test_who_follows_a_run_is_told_that_it_stands_still(site: Site, terminal: bool) -> None:
    waiting(site)
    api, printed = Watching(site), io.StringIO()
    since = newest_event(api)
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: put(site, maintenance=True, reason="a bad DIMM"),
        lambda: None,
        lambda: put(site, maintenance=False),
        lambda: setattr(site.machines[0], "hangs", False) or site.world.settle(),
    ]
    console = Console(file=printed, width=300, force_terminal=terminal)
    (run,) = until_done(api, api.get("/runs", node="node-1"), since, console, sleep=lambda _: steps.pop(0)())
    assert run["state"] == "done"
    words = (
        "stands still, in maintenance (a bad DIMM; alice); `undercloud node maintenance off node-1` lets it"
    )
    if terminal:
        assert words in printed.getvalue()
    else:
        assert printed.getvalue().count(words) == 1
        assert "node-1: in maintenance, by alice: a bad DIMM\n" in printed.getvalue()
        assert "node-1: inspect done in 0 s\n" in printed.getvalue()
