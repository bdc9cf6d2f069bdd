"""The verbs as commands: many nodes in one request; what is lost is told; steps and passwords are read."""

from __future__ import annotations

import ctypes
import json
import re
from pathlib import Path
from typing import Any

import pytest
from agent_certificate import self_signed
from cryptography.fernet import Fernet
from seed_machine import Machine
from seed_world import KEY, World
from typer.testing import CliRunner

from bootstrap.cli import app, rescue_password
from bootstrap.cli.node_loss import loss
from bootstrap.cli.node_verbs import VERBS
from hwdrivers.bmc import PowerState
from hwdrivers.credentials import Secret
from seed.lifecycle import ironic_39
from seed.store import Store
from seed.wanted_steps import WantedStep

CONFIG = """\
provisioning: {{interface: lo, address: 10.0.0.1/24, dhcp_range: [10.0.0.128, 10.0.0.254]}}
state_dir: {0}
images_dir: {0}/images
socket: {0}/seed.sock
"""
DISKS = "/dev/sda serial DISK-A, /dev/nvme0n1 serial DISK-B"
PASSWORD = "c0rrect-horse-battery"


class Rack:
    """Two machines; no seed listens, so commands work on its store, and the world moves when told to."""

    def __init__(self, folder: Path, ca: str) -> None:
        self.folder = folder
        (folder / "undercloud.yaml").write_text(CONFIG.format(folder))
        (folder / "secrets.key").write_bytes(KEY)
        store = Store(folder / "undercloud.sqlite", Fernet(KEY))
        store.migrate()
        store.close()
        self.machines = Machine(1), Machine(2)
        self.world = World(folder, *self.machines, ca=ca, where=folder / "undercloud.sqlite")

    def __call__(self, *words: str) -> tuple[int, str, str]:
        command = ["--config", str(self.folder / "undercloud.yaml"), "node", *words]
        done = CliRunner().invoke(app, command)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    def does(self, *words: str) -> str:
        """Do it, and let everything follow; returns what was printed."""
        code, said, complained = self(*words)
        assert code == 0, complained
        self.world.settle()
        return said

    def refused(self, *words: str) -> str:
        code, said, complained = self(*words)
        assert code == 1, said
        return complained

    def at(self, *states: str, **facts: Any) -> None:
        for machine, state in zip(self.machines, states, strict=False):
            self.world.at(state, machine, **facts)

    def states(self) -> list[str]:
        return [self.world.node(machine).state for machine in self.machines]


@pytest.fixture(scope="module")
def ca() -> str:
    return self_signed("10.0.0.101")[0]


@pytest.fixture
def rack(tmp_path: Path, ca: str) -> Rack:
    return Rack(tmp_path, ca)


def test_every_verb_is_a_command_with_an_example() -> None:
    offered = {edge.event for edge in ironic_39().transitions if edge.kind == "verb"}
    assert VERBS.keys() == offered | {"hold"}
    for verb in VERBS:
        done = CliRunner().invoke(app, ["node", verb, "--help"], env={"COLUMNS": "200"})
        assert done.exit_code == 0
        assert f"Example: undercloud node {verb} node-1" in done.stdout


def test_steps_of_a_file_and_of_the_command_line_are_taken(rack: Rack) -> None:
    rack.at("manageable")
    file = rack.folder / "steps.yaml"
    file.write_text("- {interface: raid, step: delete_configuration}\n- step: burnin_memory\n  priority: 3\n")
    rack.does(
        "clean",
        "node-1",
        "--step",
        'deploy.burnin_cpu:{"agent_burnin_cpu_timeout": 7}',
        "--steps",
        str(file),
        "--yes",
    )
    taken = rack.machines[0].agent.taken
    assert [step.name for step in taken] == ["burnin_memory", "burnin_cpu", "delete_configuration"]
    assert taken[1].settings == {"agent_burnin_cpu_timeout": 7}
    assert rack.world.node().state == "manageable"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name the steps: undercloud node clean node-1 --step deploy.burnin_cpu"),
        (("--step", "burnin_cpu:{"), "burnin_cpu:{: what follows ':' is no JSON"),
        (("--step", "burnin_cpu:[1]"), "burnin_cpu:[1]: args: Input should be a valid dictionary"),
        (("--step", 'wait:{"minutes": 1}'), "'wait' does not take: minutes"),
        (("--steps", "{0}/absent.yaml"), "/absent.yaml: cannot be read: No such file"),
        (("--steps", "{0}/bad.yaml"), "/bad.yaml:2: unknown key '1.stpe'"),
    ],
)
def test_steps_that_cannot_be_read_change_nothing(rack: Rack, words: tuple[str, ...], told: str) -> None:
    rack.at("manageable")
    (rack.folder / "bad.yaml").write_text("- step: burnin_cpu\n- stpe: burnin_cpu\n")
    complained = rack.refused("clean", "node-1", *(word.replace("{0}", str(rack.folder)) for word in words))
    assert told in complained.replace("\n", " ")
    assert rack.world.runs() == []


def test_one_request_for_many_nodes_tells_of_each_that_refuses(rack: Rack) -> None:
    rack.at("available", "manageable")
    code, _, complained = rack("manage", "node-1", "node-2", "node-1")
    assert code == 1
    assert complained.startswith("node-2: 'manage' is not possible in state 'manageable'")
    assert rack.states() == ["manageable", "manageable"]
    assert rack.does("provide", "--all", "--yes") == ""
    assert rack.states() == ["available", "available"]


def test_a_test_without_steps_takes_the_configured_ones(rack: Rack) -> None:
    rack.at("manageable")
    config = rack.folder / "undercloud.yaml"
    config.write_text(config.read_text() + "burn_in: [{step: burnin_disk}]\n")
    code, said, complained = rack("test", "node-1")
    assert code == 1
    assert f"node-1 (manageable): data on its disks is lost by deploy.burnin_disk: {DISKS}" in said
    assert "--yes" in complained
    rack.does("test", "node-1", "--step", "burnin_cpu")
    assert [step.name for step in rack.machines[0].agent.taken] == ["burnin_cpu"]


@pytest.mark.parametrize(
    "text",
    ["clean_priorities: {erase: 1}", "clean_priorities: {deploy.erase: -1}", "burn_in: [{step: hold}]"],
)
def test_a_configuration_that_cannot_be_meant_is_refused(rack: Rack, text: str) -> None:
    config = rack.folder / "undercloud.yaml"
    config.write_text(config.read_text() + text + "\n")
    assert f"{config}:5: {text.partition(':')[0]}" in rack.refused("list").replace("\n", "")


HARMLESS = (WantedStep(step="burnin_cpu"), WantedStep(step="hold"))
DESTROYING = (*HARMLESS, WantedStep(step="erase_devices"))


@pytest.mark.parametrize(
    ("verb", "state", "steps", "told"),
    [
        ("clean", "manageable", HARMLESS, None),
        ("clean", "manageable", DESTROYING, f"data on its disks is lost by deploy.erase_devices: {DISKS}"),
        ("service", "active", HARMLESS, "its host is shut down and boots again later"),
        (
            "service",
            "active",
            DESTROYING,
            "shut down and boots again later; data on its disks is lost by deploy",
        ),
        ("service", "manageable", DESTROYING, None),  # refused anyhow
        ("rescue", "active", (), "its host is shut down until `unrescue`"),
        ("unrescue", "rescue", (), None),
        ("adopt", "manageable", (), None),
        ("decommission", "available", (), f"data on its disks is lost: {DISKS}"),
        ("hold", "clean wait", (), None),
    ],
)
def test_what_is_lost_is_told(
    rack: Rack, verb: str, state: str, steps: tuple[WantedStep, ...], told: str | None
) -> None:
    rack.at(state)
    node = json.loads(rack("show", "node-1", "-o", "json")[1])
    words = loss(verb, node, steps)
    assert told in words if told and words else words == told


@pytest.mark.parametrize(
    ("verb", "state", "told"), [("deploy", "available", None), ("rebuild", "active", "what runs there ends")]
)
def test_a_host_in_memory_costs_no_disk(rack: Rack, verb: str, state: str, told: str | None) -> None:
    rack.at(state)
    rack.world.declare({"match": {"name": "node-1"}, "image": "live", "deploy": "ramdisk"})
    node = json.loads(rack("show", "node-1", "-o", "json")[1])
    assert loss(verb, node, ()) == told


def test_a_machine_that_runs_something_is_not_cleaned_without_a_word(rack: Rack) -> None:
    rack.at("manageable", power="power on")
    node = json.loads(rack("show", "node-1", "-o", "json")[1])
    assert (
        loss("clean", node, HARMLESS)
        == "it is powered on, and is switched off without asking what runs there"
    )


def test_hold_unhold_and_abort_take_nodes_with_runs(rack: Rack) -> None:
    rack.at("available", "available")
    rack.world.declare({"match": {"name": "node-1"}})
    assert rack("deploy", "node-1", "--yes")[0] == 0
    code, said, _ = rack("hold", "--all")
    assert code == 0
    assert "node-1: is held after check_image" in said
    assert "node-2: nothing to hold in state 'available'" in said
    rack.world.settle()
    assert rack.states()[0] == "deploy hold"
    rack.does("unhold", "node-1")
    assert rack.states()[0] == "active"
    rack.machines[1].hangs = True
    rack.world.declare({"match": {"name": "node-2"}})
    assert rack("deploy", "node-2", "--yes")[0] == 0
    rack.world.conductor.run_until_idle()
    assert rack("abort", "node-2")[0] == 0
    assert rack.states()[1] == "deploy failed"


def test_a_rescue_password_is_hashed_here_and_kept_nowhere(rack: Rack) -> None:
    rack.at("active", "active")
    complained = rack.refused("rescue", "node-1", "--yes")
    assert "a password that is made is shown on a terminal only: give --password-file" in complained
    file = rack.folder / "password"
    file.write_text("\n")
    assert f"the first line of {file} is empty" in rack.refused(
        "rescue", "node-1", "--yes", "--password-file", str(file)
    ).replace("\n", " ")
    file.write_text(f"{PASSWORD}\n")
    said = rack("rescue", "node-1", "--yes", "--password-file", str(file))
    file.unlink()
    rack.world.settle()
    assert rack.states()[0] == "rescue"
    kept = rack.machines[0].agent.rescued or ""
    assert kept.startswith("$6$")
    assert opens(kept, PASSWORD)
    assert not opens(kept, "another")
    assert PASSWORD not in "".join(map(str, said))
    assert kept not in "".join(map(str, said))
    for path in rack.folder.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path
            assert kept.encode() not in path.read_bytes(), path


def opens(kept: str, password: str) -> bool:
    """As a log-in does: the hash of what was typed, with the salt of what is kept."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    return bool(crypt(password.encode(), kept.encode()) == kept.encode())


def test_passwords_that_are_made_differ_and_do_not_print() -> None:
    one, other = rescue_password.generated(), rescue_password.generated()
    assert one.reveal() != other.reveal()
    assert len(one.reveal()) == 23
    assert one.reveal() not in repr(one)
    assert rescue_password.hashed(Secret("x")).reveal() != rescue_password.hashed(Secret("x")).reveal()


def test_what_was_erased_is_shown_with_the_node(rack: Rack) -> None:
    rack.at("available")
    rack.does("decommission", "node-1", "--yes")
    assert rack.machines[0].bmc.power is PowerState.OFF
    shown = rack("show", "node-1")[1]
    assert "\nerased               /dev/sda 21.5 GB serial DISK-A by deploy.erase_devices\n" in shown
    assert re.search(r"\ndecommissioned       2\d{3}-\d\d-\d\dT", shown)
    assert "by agent 13.0.0\n" in shown
