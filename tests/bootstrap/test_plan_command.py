"""`undercloud plan`, `apply` and `rollout`: what they print, their exit codes; a refusal changes nothing."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pty
import re
import stat
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from bootstrap.cli import app
from hwdrivers.address import BMCAddress
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.inventory import Disk, Inventory
from seed.declarations import new_node
from seed.store import Store

CONFIG = """\
provisioning: {{interface: lo, address: 10.0.0.1/24, dhcp_range: [10.0.0.128, 10.0.0.254]}}
state_dir: {0}
images_dir: {0}/images
socket: {0}/seed.sock
"""
SITE = """\
networks:
  provisioning: {cidr: 10.0.0.0/24}
profiles:
  worker: {state: active, ssh_keys: [ssh-ed25519 AAAA]}
hosts:
- {match: {bmc: 10.9.0.1}, profile: worker}
- {match: {bmc: 10.9.0.2}, profile: worker, state: manageable}
- {match: {bmc: 10.9.0.3}}
"""
INVENTORY = Inventory(
    disks=(Disk("/dev/sda", 480 * 10**9, "S3YJ-A"), Disk("/dev/sdb", 960 * 10**9, "S3YJ-B"))
)
Start = Callable[..., "subprocess.Popen[bytes]"]
NOOP_SEED = Path(__file__).parents[1] / "bench" / "noop_seed.py"


class Operator:
    """Types commands about three nodes: node-1 is available, the others were just enrolled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site.yaml"
        self.config = folder / "undercloud.yaml"
        self.config.write_text(CONFIG.format(folder))
        key = Fernet.generate_key()
        (folder / "secrets.key").write_bytes(key)
        self.store = Store(folder / "undercloud.sqlite", Fernet(key))
        self.store.migrate()
        with self.store.write() as tx:
            tx.credentials.put("rack", Credentials("admin", Secret("correct horse")))
            for number in (1, 2, 3):
                bmc = BMCAddress.parse(f"ipmi://10.9.0.{number}")
                tx.nodes.add(new_node(bmc, "rack", f"node-{number}"))
        self.put("node-1", "available", inventory=INVENTORY, serial="SERIAL-1")
        self.declare(SITE)
        build_image(folder / "images")

    def put(self, name: str, state: str | None = None, **facts: Any) -> None:
        with self.store.write() as tx:
            node = tx.nodes.get(name)
            if state:
                tx.nodes.move(node, state, None)
            tx.nodes.update(node.uuid, **facts)

    def declare(self, text: str) -> None:
        self.site.write_text(text)

    def __call__(self, *words: str, stdin: str | None = None) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["--config", str(self.config), *words], input=stdin)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    def does(self, *words: str, stdin: str | None = None) -> str:
        code, said, complained = self(*words, stdin=stdin)
        assert code == 0, complained
        return said

    def refused(self, *words: str) -> str:
        """What stands after `error: `, in one line, with exit code 1; nothing has changed."""
        before = self.world()
        code, _, complained = self(*words)
        assert code == 1, complained
        assert self.world() == before
        *_, last = complained.splitlines()
        assert last.startswith("error: "), complained
        return last.removeprefix("error: ")

    def world(self) -> Any:
        with self.store.read() as tx:
            return tx.nodes.all(), tx.documents.site(), tx.rollouts.all(), tx.events.newest_id()

    def states(self) -> list[str]:
        with self.store.read() as tx:
            return [node.state for node in tx.nodes.all()]


def build_image(folder: Path) -> None:
    place = folder / "debian-12"
    place.mkdir(parents=True)
    (place / "disk").write_bytes(b"a whole disk")
    manifest = {
        "name": "debian-12",
        "kind": "os",
        "parts": {"disk": "disk"},
        "files": {"disk": {"sha512": hashlib.sha512(b"a whole disk").hexdigest(), "size": 12}},
        "size": 12,
        "built": "2026-11-22",
        "recipe": "none",
        "disk_format": "qcow2",
        "virtual_size": 3 * 2**30,
    }
    (place / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


# -- where no seed runs ----------------------------------------------------------------------------------


def test_a_plan_says_what_would_be_done_and_changes_nothing(operator: Operator) -> None:
    before = operator.world()
    code, said, complained = operator("plan", str(operator.site))
    assert (code, complained) == (2, "")
    assert said.splitlines() == [
        "node-1: available → active by deploy (time unknown)",
        "    ! deploy writes debian-12 over /dev/sda 447.0 GiB serial S3YJ-A",
        "node-2: enroll → manageable by manage (time unknown)",
        "3 declared nodes: 1 as declared, 2 to be changed.",
        "The declaration is not the one that the seed has.",
        "To do: 1 deploy, 1 manage; how long that takes is not known: not all of that was done here before.",
        "What is on 1 disk is lost.",
    ]
    assert operator.world() == before


def test_a_plan_for_programs(operator: Operator) -> None:
    code, said, _ = operator("plan", str(operator.site), "--target", "node-1", "-o", "json")
    made = json.loads(said)
    assert code == 2
    (node,) = made["nodes"]
    assert (node["name"], node["verbs"], node["acts"][0]["serial"]) == ("node-1", ["deploy"], "S3YJ-A")
    assert "site" not in made


def test_nothing_to_do_is_said_and_is_exit_code_0(operator: Operator) -> None:
    operator.declare("hosts: [{match: {bmc: 10.9.0.1}, state: available}]")
    assert operator("plan", str(operator.site))[0] == 2  # the declaration itself
    assert "no machine had to be touched" in operator.does("apply", str(operator.site), "--yes")
    before = operator.world()
    code, said, _ = operator("plan", str(operator.site))
    assert (code, said.splitlines()[-1]) == (0, "1 declared node: 1 as declared.")
    assert operator.does("apply", str(operator.site)).splitlines()[-1] == "Nothing to do: all is as declared."
    assert operator.world() == before


def test_a_mistake_on_the_command_line_does_not_look_like_changes(operator: Operator) -> None:
    assert operator("plan", str(operator.site), "--targett", "node-1")[0] == 1
    assert operator("plan")[0] == 1
    assert operator("plan", str(operator.site), "--max-parallel", "0")[0] == 1


def test_without_yes_and_without_a_person_nothing_is_done(operator: Operator) -> None:
    told = operator.refused("apply", str(operator.site))
    assert told == "nothing was changed: nobody can be asked here, so say --yes if this is meant"


def test_what_is_applied_without_a_seed_waits_for_one(operator: Operator) -> None:
    code, said, complained = operator("apply", str(operator.site), "--yes")
    assert (code, said.splitlines()[-1]) == (0, "Rollout 1 begins: 2 nodes.")
    assert complained == "No seed runs, so nothing moves yet: `undercloud seed start`\n"
    assert operator.states() == ["deploying", "verifying", "enroll"]
    assert "2 running" in operator.does("rollout", "list")
    shown = operator.does("rollout", "show", "1")
    assert "rollout 1: running: 2 running" in shown
    assert "check_image" in shown
    again = operator("plan", str(operator.site))
    assert again[0] == 2
    assert "node-1: deploying; busy: rollout 1 has it: `undercloud rollout show 1`" in again[1]
    told = operator.refused("apply", str(operator.site), "--yes")
    assert told.startswith("nothing was changed: 2 nodes cannot be brought there now (see above)")
    assert operator.does("rollout", "stop", "1") == "Rollout 1 is stopping: 2 running.\n"
    assert json.loads(operator.does("rollout", "list", "-o", "json"))[0]["state"] == "stopping"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "hosts:\n- match: {bmc: 10.9.0.1}\n  profile: wrker\n",
            "{}:3: hosts.0.profile: bmc 10.9.0.1: profile",
        ),
        (
            "profiles:\n  a: {{extends: b}}\n  b: {{extends: a}}\n",
            "{}:2: profiles.a.extends: profiles extend",
        ),
        (
            "hosts:\n- match: {bmc: 10.9.0.1}\n  stat: active\n",
            "{}:3: unknown key 'hosts.0.stat'; did you mean",
        ),
        (
            "hosts:\n- match: {serial: SAME}\n",
            "the declared host serial SAME is two nodes, 'node-2' (bmc 10.9",
        ),
        (
            "hosts:\n- match: {bmc: 10.9.0.1}\n- match: {name: node-1}\n",
            "2 declared hosts match bmc 10.9.0.1",
        ),
        ("hosts: [", "{}:1: not valid YAML"),
    ],
)
def test_a_declaration_that_is_wrong_is_refused_in_words(operator: Operator, text: str, told: str) -> None:
    operator.put("node-2", serial="SAME")
    operator.put("node-3", serial="SAME")
    operator.declare(text.replace("{{", "{").replace("}}", "}"))
    for words in (("plan",), ("apply", "--yes"), ("profiles", "apply")):
        code, said, complained = operator(*words, str(operator.site))
        assert (code, said) == (1, "")
        assert complained.startswith("error: " + told.format(operator.site)), complained
    with operator.store.read() as tx:
        assert not tx.documents.site().hosts


def test_a_target_that_is_not_there(operator: Operator) -> None:
    told = operator.refused("plan", str(operator.site), "--target", "node-9")
    assert told == "no node 'node-9'"


def test_a_missing_machine_is_told_and_is_an_error_when_strict(operator: Operator) -> None:
    operator.declare("hosts: [{match: {serial: GONE}, state: active}]")
    code, said, _ = operator("plan", str(operator.site))
    assert code == 2
    assert said.startswith("missing: no enrolled node has serial GONE, which is declared\n")
    assert operator("plan", str(operator.site), "--strict")[0] == 1
    told = operator.refused("apply", str(operator.site), "--strict", "--yes")
    assert told == "nothing was changed: no enrolled node has serial GONE"


def test_what_cannot_be_done_is_exit_code_1_and_refuses_all(operator: Operator) -> None:
    operator.declare(SITE.replace("profile: worker}", "profile: worker, image: debian-13}", 1))
    code, said, _ = operator("plan", str(operator.site))
    assert code == 1
    assert "node-1: available; cannot: No image debian-13 in" in said
    told = operator.refused("apply", str(operator.site), "--yes")
    assert told.startswith("nothing was changed: 1 node cannot be brought there now (see above)")


def test_flags_are_said_and_the_node_is_left_alone(operator: Operator) -> None:
    operator.put("node-1", protected=True, protected_reason="the database")
    code, said, _ = operator("plan", str(operator.site), "--target", "node-1")
    assert code == 2  # the declaration itself
    assert "node-1: available; left alone: " in said
    assert "protected (the database)" in said


# -- plans in files --------------------------------------------------------------------------------------


def saved(operator: Operator) -> Path:
    path = operator.folder / "tonight.plan"
    path.write_text("an older one")
    path.chmod(0o644)
    code, _, complained = operator("plan", str(operator.site), "--out", str(path))
    assert code == 2
    assert complained.startswith(f"Saved: `undercloud apply {path}` does this and nothing else")
    return path


def test_a_saved_plan_is_its_owners_and_is_carried_out(operator: Operator) -> None:
    path = saved(operator)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    operator.site.unlink()
    assert "Rollout 1 begins: 2 nodes." in operator.does("apply", str(path), "--yes")
    assert operator.states() == ["deploying", "verifying", "enroll"]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"inventory": Inventory(disks=(Disk("/dev/sda", 480 * 10**9, "NEW"),))}, "node 'node-1': disks was"),
        ({"protected": True}, "node 'node-1': protected was False, is True"),
        ({"serial": "OTHER"}, "node 'node-1': serial was SERIAL-1, is OTHER"),
    ],
)
def test_a_plan_older_than_the_facts_is_refused(
    operator: Operator, facts: dict[str, Any], words: str
) -> None:
    path = saved(operator)
    operator.put("node-1", **facts)
    told = operator.refused("apply", str(path), "--yes")
    assert told.startswith("nothing was changed: the facts are not those of ")
    assert words in told


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "undercloud plan 9"}, "no plan of this release: format: "),
        ({"nodes": 7}, "no plan of this release: nodes: "),
        ({"more": 7}, "no plan of this release: more: "),
    ],
)
def test_a_file_that_is_no_plan(operator: Operator, change: dict[str, Any], words: str) -> None:
    path = saved(operator)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert words in operator.refused("apply", str(path), "--yes")


def test_a_plan_says_itself_which_nodes(operator: Operator) -> None:
    told = operator.refused("apply", str(saved(operator)), "--target", "node-1", "--yes")
    assert told.endswith("is a plan, and says itself which nodes: give --target when you plan")


# -- with a seed -----------------------------------------------------------------------------------------


@pytest.fixture
def seed(operator: Operator) -> Iterator[Start]:
    """Starts a seed whose steps do nothing; with `hold`, they wait until that file is there."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        (operator.folder / "seed.sock").unlink(missing_ok=True)
        root = Path(__file__).parents[2]
        command = [sys.executable, str(NOOP_SEED), str(operator.folder), *words]
        processes.append(subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(root)}))
        while operator("seed", "status")[0] != 0:
            assert processes[-1].poll() is None
            time.sleep(0.05)
        return processes[-1]

    yield start
    for process in processes:
        process.terminate()
        process.wait(30)


def test_a_rollout_is_told_event_by_event_where_no_terminal_is(operator: Operator, seed: Start) -> None:
    seed()
    said = operator.does("apply", str(operator.site), "--yes")
    lines = [re.sub(r"\d+ s", "N s", line) for line in said.splitlines()]
    at = lines.index("Rollout 1 begins: 2 nodes.")
    assert "     N s  node-1: available → deploying (deploy)" in lines[at:]
    assert "     N s  node-2: manage: done" in lines[at:]
    assert "     N s  rollout 1 is done: 2 done" in lines[at:]
    assert lines[-1] == "Rollout 1 is done after N s: 2 done"
    assert operator.states() == ["active", "manageable", "enroll"]
    code, said, _ = operator("plan", str(operator.site))
    assert (code, said) == (0, "3 declared nodes: 3 as declared.\n")
    assert "Nothing to do" in operator.does("apply", str(operator.site))


def test_a_rollout_that_was_stopped_is_exit_code_1(operator: Operator, seed: Start) -> None:
    go = operator.folder / "go"
    seed("--hold", str(go), "--poll", "0.1")
    begun = operator.does(
        "apply", str(operator.site), "--yes", "--no-wait", "--max-parallel", "1", "-o", "json"
    )
    assert json.loads(begun)["rollout"]["counts"]["pending"] == 1
    assert "stopping" in operator.does("rollout", "stop", "1")
    go.touch()
    while json.loads(operator.does("rollout", "show", "1", "-o", "json"))["state"] == "stopping":
        time.sleep(0.05)
    shown = operator.does("rollout", "show", "1")
    assert "1 done, 1 skipped; stopped by " in shown
    operator.does("apply", str(operator.site), "--yes")
    assert operator.states() == ["active", "manageable", "enroll"]


def test_a_rollout_outlives_a_seed_that_is_killed(operator: Operator, seed: Start) -> None:
    go = operator.folder / "go"
    first = seed("--hold", str(go), "--poll", "0.1")
    command = ["-m", "bootstrap", "--config", str(operator.config), "apply", str(operator.site), "--yes"]
    applying = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while "2 running" not in operator.does("rollout", "list"):
        time.sleep(0.05)
    first.kill()
    said = applying.communicate(timeout=60)[0].decode()
    assert applying.returncode == 1
    assert "Rollout 1 is written down, and goes on where it was as soon as a seed runs." in said
    go.touch()
    seed("--hold", str(go), "--poll", "0.1")
    while "rollout 1: running" in operator.does("rollout", "show", "1"):
        time.sleep(0.05)
    assert "rollout 1: done: 2 done" in operator.does("rollout", "show", "1")
    assert operator.states() == ["active", "manageable", "enroll"]
    with operator.store.read() as tx:
        assert [len(tx.runs.of_node(node.uuid)) for node in tx.nodes.all()] == [1, 1, 0]


def in_a_terminal(operator: Operator, *words: str, width: int, typed: str) -> tuple[int, str]:
    """What a command leaves on a terminal of this width; `typed` answers its question."""
    command = [sys.executable, "-m", "bootstrap", "--config", str(operator.config), *words]
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(width), "LINES": "24"}
        os.execve(sys.executable, command, environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    seen = b""
    while chunk := _read(terminal):
        seen += chunk
        if typed and b"[y/N]" in seen:
            os.write(terminal, typed.encode())
            typed = ""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


@pytest.mark.parametrize("width", [40, 120])
def test_on_a_terminal_it_asks_and_shows_what_is_under_way(
    operator: Operator, seed: Start, width: int
) -> None:
    seed()
    code, seen = in_a_terminal(operator, "apply", str(operator.site), width=width, typed="n\n")
    assert code == 1
    assert "Apply this to 2 nodes? [y/N]" in seen
    assert operator.states() == ["available", "enroll", "enroll"]
    code, seen = in_a_terminal(operator, "apply", str(operator.site), width=width, typed="y\n")
    assert code == 0
    assert re.search(r"Rollout 1 is done after \d+ s: 2 done", seen)
    assert max(len(line) for line in re.split(r"[\r\n]+", seen)) <= width
    assert operator.states() == ["active", "manageable", "enroll"]
