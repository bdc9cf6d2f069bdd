"""The command without a seed: help everywhere, JSON that parses, one line for each expected error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from bootstrap.cli import app
from seed.store import Store

CONFIG = """\
provisioning:
  interface: prov0
  address: 192.0.2.1/24
  dhcp_range: [192.0.2.192, 192.0.2.254]
state_dir: {0}/state
images_dir: {0}/images
socket: {0}/seed.sock
"""
PASSWORD = "c0rrect-horse-battery"


class Operator:
    """Types commands where no seed runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "undercloud.yaml"
        self.printed = ""

    def __call__(self, *words: str, stdin: str | None = None) -> tuple[int, str, str]:
        command = ["--config", str(self.config), *words]
        done = CliRunner().invoke(app, command, input=stdin)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        self.printed += done.stdout + done.stderr
        return done.exit_code, done.stdout, done.stderr

    def does(self, *words: str, stdin: str | None = None) -> str:
        code, said, complained = self(*words, stdin=stdin)
        assert code == 0, complained
        return said

    def json(self, *words: str) -> Any:
        return json.loads(self.does(*words, "-o", "json"))

    def refused(self, *words: str, stdin: str | None = None) -> str:
        """What stands after `error: `, which is one line, alone, with exit code 1."""
        code, said, complained = self(*words, stdin=stdin)
        lines = complained.splitlines()
        assert (code, said) == (1, ""), complained
        assert len(lines) == 1 and lines[0].startswith("error: "), complained
        return lines[0].removeprefix("error: ")


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "secrets.key").write_bytes(Fernet.generate_key())
    (tmp_path / "undercloud.yaml").write_text(CONFIG.format(tmp_path))
    return Operator(tmp_path)


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


EVERY = {path: command for path, command in commands(typer.main.get_command(app)) if path[:1] != ("lab",)}


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_says_what_it_does_and_what_its_options_mean(path: tuple[str, ...]) -> None:
    command = EVERY[path]
    assert (command.help or "").strip()
    for parameter in command.params:
        if parameter.name != "help":
            assert getattr(parameter, "help", None), parameter.name
    done = CliRunner().invoke(app, [*path, "--help"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Usage" in done.stdout


def test_credentials_and_nodes_without_a_seed(operator: Operator) -> None:
    said = operator.does(
        "credentials", "add", "rack1", "--username", "a", "--password-file", "-", stdin=PASSWORD
    )
    assert said == "Credentials 'rack1' are stored, encrypted.\n"
    (listed,) = operator.json("credentials", "list")
    assert listed == {"name": "rack1", "username": "a", "verify_tls": True, "nodes": 0}
    operator.does("node", "enroll", "ipmi://10.0.0.5", "--credentials", "rack1", "--name", "one")
    (node,) = operator.json("node", "list")
    assert (node["name"], node["bmc"], node["state"]) == ("one", "ipmi://10.0.0.5", "enroll")
    assert operator.json("node", "show", "one")["uuid"] == node["uuid"]
    kinds = [event["kind"] for event in operator.json("events")]
    assert kinds == ["credentials", "node.enrolled"]
    assert [event["kind"] for event in operator.json("events", "--last", "1")] == ["node.enrolled"]
    assert [row["name"] for row in operator.json("report")] == ["one"]
    assert operator.json("profiles", "list") == []
    assert operator.json("image", "list", "--images", str(operator.folder)) == []
    assert "one" in operator.does("node", "list")
    assert operator.does("credentials", "list").splitlines()[1].split() == ["rack1", "a", "yes", "1"]
    for number in (10, 2):
        bmc = f"ipmi://10.0.1.{number}"
        operator.does("node", "enroll", bmc, "--credentials", "rack1", "--name", f"node-{number}")
    assert [row["name"] for row in operator.json("node", "list")] == ["node-2", "node-10", "one"]


def test_a_verb_without_a_seed_is_written_down_and_says_that_nothing_moves(operator: Operator) -> None:
    operator.does("credentials", "add", "rack1", "--username", "a", "--password-file", "-", stdin=PASSWORD)
    operator.does("node", "enroll", "ipmi://10.0.0.5", "--credentials", "rack1", "--name", "one")
    code, said, complained = operator("node", "manage", "one", "-o", "json")
    assert code == 0
    assert [run["verb"] for run in json.loads(said)] == ["manage"]
    assert complained == "No seed runs, so nothing moves yet: `undercloud seed start`\n"
    code, said, complained = operator("node", "manage", "--all", "-o", "json")
    assert (code, json.loads(said)) == (0, [])
    assert "nothing to manage" in complained


def test_profiles_are_declared_or_refused_as_a_whole(operator: Operator) -> None:
    site = operator.folder / "site.yaml"
    site.write_text("hosts:\n- match: {serial: S1}\n  name: one\n  macs: [52:54:00:12:34:56]\n")
    assert operator.does("profiles", "apply", str(site)) == (
        "1 hosts declared; 0 of them are enrolled nodes.\n"
    )
    before = operator.json("profiles", "list")
    site.write_text("hosts:\n- match: {serial: S1}\n  nmae: two\n")
    assert operator.refused("profiles", "apply", str(site)) == (
        f"{site}:3: unknown key 'hosts.0.nmae'; did you mean 'name'?"
    )
    site.write_text("")
    assert operator.refused("profiles", "apply", str(site)) == f"{site}:1: the document is empty"
    assert operator.json("profiles", "list") == before
    assert before[0]["macs"] == ["52:54:00:12:34:56"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["node", "show", "x"], "no node 'x'; there are: none"),
        (["node", "manage"], "name the nodes, or say --all: undercloud node manage node-1"),
        (["node", "manage", "one", "--all"], "name the nodes, or say --all: undercloud node manage node-1"),
        (
            ["node", "enroll", "10.0.0.5", "--credentials", "x"],
            "say how to speak to 10.0.0.5: ipmi://10.0.0.5 or",
        ),
        (["node", "enroll", "ipmi://10.0.0.5", "--credentials", "x"], "no credentials 'x'"),
        (["node", "enroll", "ftp://10.0.0.5", "--credentials", "x"], "unknown protocol"),
        (["node", "ssh", "x"], "no node 'x'"),
        (["handoff"], "no node is active"),
        (["profiles", "apply", "/nowhere.yaml"], "/nowhere.yaml: cannot be read: No such file"),
        (
            ["credentials", "add", "x", "--username", "a", "--password-file", "/nowhere"],
            "--password-file /nowhere: No such",
        ),
        (
            ["credentials", "add", "x", "--username", "a", "--password-file", "/"],
            "--password-file /: Is a directory",
        ),
        (
            ["credentials", "add", "x", "--username", "a", "--password-file", "-", "--ca-file", "/nowhere"],
            "--ca-file /nowhere: there is no such file",
        ),
        (["events", "--node", "x"], "no node 'x'"),
        (["image", "verify", "absent", "--images", "/nowhere"], "No image absent in /nowhere"),
        (["init", "--interface", "nope0"], "interface 'nope0' does not exist; there are: "),
        (["init", "--cidr", "everywhere"], "--cidr everywhere: "),
        (["init", "--dhcp-range", "192.0.2.9"], "--dhcp-range 192.0.2.9: write FIRST-LAST"),
        (["init", "--dhcp-range", "192.0.2.9-192.0.2.300"], "--dhcp-range 192.0.2.9-192.0.2.300: write"),
        (["init", "--http-port", "99999"], "--http-port: Input should be less than or equal to 65535"),
        (["init", "--socket", "s" * 120], "--socket: "),
        (["discover", "nonsense", "--credentials", "x"], "'nonsense' is not an address or a range"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_an_expected_error_is_one_line(operator: Operator, words: list[str], told: str) -> None:
    before = sorted(path.name for path in operator.folder.rglob("*") if "sqlite" not in path.name)
    assert told in operator.refused(*words)
    assert sorted(path.name for path in operator.folder.rglob("*") if "sqlite" not in path.name) == before


def test_no_configuration_and_no_key_say_the_way_back(operator: Operator) -> None:
    key = operator.folder / "state" / "secrets.key"
    key.write_text("no key\n")
    assert f"{key} holds no key" in operator.refused("node", "list")
    key.unlink()
    assert f"{key} is missing" in operator.refused("node", "list")
    assert not key.exists()
    operator.config.write_text(CONFIG.format(operator.folder) + "fast_trac: true\n")
    assert operator.refused("node", "list") == (
        f"{operator.config}:8: unknown key 'fast_trac'; did you mean 'fast_track'?"
    )
    operator.config.unlink()
    assert operator.refused("node", "list").startswith(
        f"{operator.config} does not exist: run `undercloud init`"
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the password is empty; nothing was stored"),
        (b"\n", "the password is empty; nothing was stored"),
        (b"one\ntwo\n", "has several lines; the password alone must stand there"),
        (b"\xff\xfe" + PASSWORD.encode(), "it is no text"),
    ],
)
def test_a_password_file_that_holds_no_password(operator: Operator, content: bytes, told: str) -> None:
    file = operator.folder / "password"
    file.write_bytes(content)
    assert told in operator.refused(
        "credentials", "add", "x", "--username", "a", "--password-file", str(file)
    )
    assert operator.json("credentials", "list") == []


def test_a_password_is_nowhere_to_be_read(operator: Operator) -> None:
    file = operator.folder / "password"
    file.write_text(f"{PASSWORD}\n")
    add = ("credentials", "add", "rack1", "--username", "a", "--password-file")
    operator.does(*add, str(file))
    operator.does(*add, "-", stdin=f"{PASSWORD}\n")
    file.unlink()
    operator.does("events")
    operator.does("credentials", "list")
    assert PASSWORD not in operator.printed
    for path in operator.folder.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path


def manageable(operator: Operator, **facts: Any) -> None:
    """One node that was managed before the seed was stopped."""
    operator.does("credentials", "add", "rack1", "--username", "a", "--password-file", "-", stdin=PASSWORD)
    operator.does("node", "enroll", "ipmi://10.0.0.5", "--credentials", "rack1", "--name", "one")
    state = operator.folder / "state"
    store = Store(state / "undercloud.sqlite", Fernet((state / "secrets.key").read_bytes()))
    with store.write() as tx:
        node = tx.nodes.get("one")
        tx.nodes.move(node, "manageable", None)
        tx.nodes.update(node.uuid, **facts)
    store.close()


@pytest.mark.parametrize(
    ("verb", "facts", "at_stake"),
    [
        ("provide", {"power": "power off"}, "data on its disks is lost"),
        ("inspect", {"power": "power on"}, "it is powered on, and is switched off"),
    ],
)
def test_what_destroys_is_asked_for(
    operator: Operator, verb: str, facts: dict[str, str], at_stake: str
) -> None:
    manageable(operator, **facts)
    code, said, complained = operator("node", verb, "one")
    assert code == 1
    assert at_stake in said
    assert "--yes" in complained
    assert operator.json("node", "show", "one")["state"] == "manageable"
    assert operator("node", verb, "one", "--yes")[0] == 0
    assert operator.json("node", "show", "one")["run"]["verb"] == verb


def test_a_machine_without_power_is_inspected_without_a_question(operator: Operator) -> None:
    manageable(operator, power="power off")
    assert operator("node", "inspect", "one")[0] == 0
    assert operator.json("node", "show", "one")["run"]["verb"] == "inspect"
