"""`undercloud why` and `node boot`, as printed, over a machine whose firmware hangs, is late, or boots."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from agent_certificate import self_signed
from cryptography.fernet import Fernet
from seed_machine import Machine
from seed_world import KEY, World
from typer.testing import CliRunner

from bootstrap.cli import app
from seed.store import Store

CONFIG = """\
provisioning: {{interface: lo, address: 10.0.0.1/24, dhcp_range: [10.0.0.128, 10.0.0.254]}}
state_dir: {0}
images_dir: {0}/images
socket: {0}/seed.sock
"""
Command = Callable[..., str]


@pytest.fixture(scope="module")
def ca() -> str:
    return self_signed("10.0.0.101")[0]


@pytest.fixture
def world(tmp_path: Path, ca: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A seed whose store the commands work on, in Greenwich."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    (tmp_path / "undercloud.yaml").write_text(CONFIG.format(tmp_path))
    (tmp_path / "secrets.key").write_bytes(KEY)
    (tmp_path / "secrets.key").chmod(0o600)
    store = Store(tmp_path / "undercloud.sqlite", Fernet(KEY))
    store.migrate()
    store.close()
    yield World(tmp_path, Machine(1), ca=ca, where=tmp_path / "undercloud.sqlite")
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def does(tmp_path: Path) -> Command:
    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["--config", str(tmp_path / "undercloud.yaml"), *words])
        assert done.exit_code == code, done.output
        return done.output

    return run


def happens(world: World, kind: str, message: str, after: float, **data: Any) -> None:
    world.clock.move(timedelta(seconds=after))
    with world.store.write() as tx:
        tx.events.add(kind, message, node=world.node().uuid, **data)


def stuck(world: World) -> None:
    """Another DHCP server answers the machine first, and the run gives up."""
    world.at("manageable")
    world.machines[0].hangs = True
    assert world.ask("inspect").status_code == 202
    world.conductor.run_until_idle()
    happens(world, "boot.dhcpdiscover", "DHCPDISCOVER", 12, mac="52:54:00:00:00:01", architecture=7)
    server = {"server": "10.9.9.9", "server_mac": "0a:00:00:00:00:66", "answer": "offer"}
    happens(world, "boot.foreign-dhcp", "DHCPOFFER 10.9.9.50 by another server", 1, **server)
    world.settle()


def test_why_names_the_hop_the_evidence_and_what_to_do(world: World, does: Command) -> None:
    stuck(world)
    said = does("why", "node-1")
    assert said.startswith(
        "node-1 is stuck before the DHCPOFFER  [dhcp.foreign]\nanother DHCP server answers"
    )
    assert "\nSeen\n  2026-11-22 12:00:13  DHCPOFFER 10.9.9.50 by another server" in said
    assert "\nLikely, in this order\n  1. a DHCP server that nobody meant" in said
    assert "→ on the switch find the port of 0a:00:00:00:00:66" in said
    assert said.endswith("The whole way: `undercloud node boot node-1`\n")
    told = json.loads(does("why", "node-1", "-o", "json"))
    assert (told["id"], told["hop"], told["run"]) == ("dhcp.foreign", "DHCPOFFER", 1)
    assert "First missing is DHCPOFFER: another DHCP server answers node-1 first" in told["last_error"]


def test_the_timeline_ends_where_the_machine_stands(world: World, does: Command) -> None:
    stuck(world)
    lines = does("node", "boot", "node-1").splitlines()
    assert lines[0] == (
        "node-1: attempt 1 of 1 (the newest), 2026-11-22 12:00:00, to the ramdisk, for #1 inspect (failed)"
    )
    assert lines[1].split() == ["TIME", "HOP", "SECONDS", "USUAL,", "9", "IN", "10", "SEEN"]
    rows = [line.split() for line in lines[2:14]]
    assert rows[0][:4] == ["12:00:00", "●", "power", "on"]
    assert rows[1][:4] == ["12:00:12", "●", "DHCPDISCOVER", "12.0"]
    assert rows[2][:2] == ["✗", "DHCPOFFER"]
    assert rows[2][-1] == "missing"
    assert rows[3] == ["·", "DHCPACK"]
    assert "`undercloud why node-1`" in lines[-1]


def test_a_boot_is_compared_with_what_is_usual(world: World, does: Command) -> None:
    world.at("manageable")
    for _ in range(3):
        world.do("inspect")
    said = does("node", "boot", "node-1")
    assert "attempt 1 of 3 (the newest)" in said
    assert "│" in said
    assert "it is where it should be: agent's heartbeat was reached." in said
    assert said.count("inspect") == 3
    boots = json.loads(does("node", "boot", "node-1", "-o", "json"))
    assert [boot["attempt"] for boot in boots] == [1, 2, 3]
    usual = {hop["hop"]: hop["usual"] for hop in boots[0]["hops"]}
    assert usual["agent's heartbeat"]["boots"] == 3
    assert "attempt 3 of 3, " in does("node", "boot", "node-1", "--attempt", "3")
    (third,) = json.loads(does("node", "boot", "node-1", "--attempt", "3", "-o", "json"))
    assert third["attempt"] == 3
    assert "only 3 attempts to boot were seen" in does("node", "boot", "node-1", "--attempt", "4", code=1)


def test_a_machine_that_boots_is_given_its_time(world: World, does: Command) -> None:
    world.at("manageable")
    world.machines[0].hangs = True
    assert world.ask("inspect").status_code == 202
    world.conductor.run_until_idle()
    boot, *_ = world.operator.get("/nodes/node-1/boots").json()["boots"]
    assert boot["diagnosis"]["verdict"] == "under way"
    assert [hop["standing"] for hop in boot["hops"][:3]] == ["seen", "missing", "ahead"]


def test_a_node_that_never_booted_has_nothing_wrong(world: World, does: Command) -> None:
    world.at("manageable")
    told = "node-1 was not seen booting\nnothing is wrong: nobody waits for it to boot.\n"
    assert does("why", "node-1").startswith(told)
    assert does("node", "boot", "node-1") == "node-1: no boot was seen yet\n"
    assert json.loads(does("node", "boot", "node-1", "-o", "json")) == []
    gone = ("node", "boot", "node-1", "--attempt", "1", "-o", "json")
    assert "node-1: no attempts to boot were seen" in does(*gone, code=1)
    assert "nobody" in does("why", "nobody", code=1)
    assert "nobody" in does("node", "boot", "nobody", code=1)
