"""The whole chain on real (virtual) machines, hurt on its way: interrupted, its seed killed, a cord pulled.

The tests of this file share one rack and stand in the order of the story; one that fails ends it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from outside import Lab

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).parents[2]
NAMES = {"node-1", "node-2", "node-3"}
PATIENCE = 1500.0  # an emulated machine on a busy computer; nothing here waits for luck


class Chain:
    """One rack, the seed in it, and everything that any process was started with meanwhile."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.argvs: set[str] = set()
        self.jobs: list[subprocess.Popen[bytes]] = []
        self.broken = False

    def vm_lab_run(self, output: Path) -> subprocess.Popen[bytes]:
        """`vm-lab/run`, in a session of its own as in a terminal of its own."""
        argv = [str(REPOSITORY / "vm-lab" / "run"), "--name", self.lab.name]
        with output.open("wb") as file:
            job = subprocess.Popen(
                argv,
                env=self.lab.env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.jobs.append(job)
        return job

    def end(self) -> None:
        """Leave nothing behind, also when a test ended in the middle of a job."""
        for job in self.jobs:
            if job.poll() is None:
                os.killpg(job.pid, signal.SIGKILL)
                job.wait()
        self.lab("down")

    def undercloud(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.lab.inside("undercloud", *words)

    def ask(self, *words: str) -> Any:
        done = self.undercloud(*words, "-o", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def names(self) -> set[str]:
        return {node["name"] for node in self.ask("node", "list")}

    def node(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("node", "show", name)
        return found

    def messages(self, node: str, kind: str) -> list[str]:
        events = self.ask("events", "--node", node, "--last", "10000")
        return [event["message"] for event in events if event["kind"] == kind]

    def written(self, node: str) -> list[str]:
        """The journal's entries of images being written over disks."""
        return [text for text in self.messages(node, "destructive") if text.startswith("writing")]

    def on_host(self, node: str, command: str) -> str:
        done = self.undercloud("node", "ssh", node, "--", command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def until(self, so: Callable[[], bool], what: str, alive: subprocess.Popen[bytes] | None = None) -> None:
        """Wait for `so`, and no longer once the process that is to bring it about has ended."""
        deadline = time.monotonic() + PATIENCE
        while not so():
            assert time.monotonic() < deadline, f"never happened: {what}"
            assert alive is None or alive.poll() is None, f"vm-lab/run ended before: {what}"
            time.sleep(2)

    def watch_argvs(self, stop: threading.Event) -> None:
        while not stop.wait(0.5):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.argvs.add(process.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue


@pytest.fixture(scope="module")
def chain(lab_folder: Path) -> Iterator[Chain]:
    if os.geteuid():
        pytest.skip("a rack needs root")
    command = REPOSITORY / ".venv" / "bin" / "undercloud"
    chain = Chain(Lab(command, f"t{os.getpid()}-chain", lab_folder))
    stop = threading.Event()
    watcher = threading.Thread(target=chain.watch_argvs, args=(stop,))
    watcher.start()
    try:
        yield chain
    finally:
        stop.set()
        watcher.join()
        chain.end()


@pytest.fixture(autouse=True)
def story(chain: Chain, request: pytest.FixtureRequest) -> Iterator[None]:
    """What comes after a broken test would only fail for its reason again."""
    if chain.broken:
        pytest.skip("an earlier part of the chain failed")
    failed_before = request.session.testsfailed
    yield
    chain.broken = request.session.testsfailed > failed_before


def test_the_seed_is_killed_and_a_cord_is_pulled_while_images_are_written(
    chain: Chain, tmp_path: Path
) -> None:
    job = chain.vm_lab_run(tmp_path / "run.log")
    seed_answers = lambda: (chain.lab.rack / "seed.sock").exists()  # noqa: E731
    chain.until(seed_answers, "the seed answers", job)
    chain.until(lambda: chain.names() == NAMES, "three nodes are enrolled and named", job)
    chain.until(
        lambda: all(chain.written(name) for name in ("node-1", "node-2")), "two images are being written", job
    )

    deploy = chain.node("node-1")["run"]["id"]
    assert chain.lab("cut-power", "node-2").returncode == 0
    os.kill(chain.ask("seed", "status")["pid"], signal.SIGKILL)
    os.killpg(job.pid, signal.SIGINT)
    assert job.wait(60) != 0
    said = (tmp_path / "run.log").read_text()
    assert "Traceback" not in said
    assert "vm-lab/run" in said.splitlines()[-1] + said.splitlines()[-2], said[
        -500:
    ]  # how to go on, or to end it

    assert chain.undercloud("seed", "start").returncode == 0
    chain.until(lambda: chain.node("node-2")["state"] == "deploy failed", "node-2 is known to have failed")
    node = chain.node("node-2")
    assert "write_image" in node["last_error"]
    assert "lost power" in node["last_error"]
    assert "last seen" in node["last_error"]
    assert node["power"] == "power off"
    goes_on = chain.node("node-1")["run"]
    assert goes_on is None or goes_on["id"] == deploy  # the same walk, under way or at its end

    assert chain.undercloud("node", "deploy", "node-2", "--no-wait", "--yes").returncode == 0


def test_vm_lab_run_goes_on_to_handed_off_hosts(chain: Chain, tmp_path: Path) -> None:
    job = chain.vm_lab_run(tmp_path / "run.log")
    assert job.wait(PATIENCE) == 0, (tmp_path / "run.log").read_text()[-3000:]
    for name in ("node-1", "node-2", "node-3"):
        assert chain.node(name)["state"] == "active"
        assert chain.node(name)["last_error"] is None
    assert "serial lab00001-a" in chain.messages("node-1", "image.written")[-1]
    assert len(chain.written("node-1")) == 1  # the seed's death did not make it write again
    assert len(chain.written("node-2")) == 2


@pytest.mark.parametrize(
    ("name", "address", "disk"),
    [
        ("node-1", "192.0.2.101", "lab00001-a"),
        ("node-2", "192.0.2.102", "lab00002-a"),
        ("node-3", "192.0.2.103", "lab00003-b"),
    ],
)
def test_hosts_are_who_they_were_declared_to_be(chain: Chain, name: str, address: str, disk: str) -> None:
    question = (
        "hostname; hostname -I; lsblk --nodeps -no SERIAL "
        "/dev/$(lsblk -no PKNAME $(findmnt -no SOURCE /)); sudo cat /etc/ssh/ssh_host_ed25519_key.pub"
    )
    hostname, addresses, serial, key = chain.on_host(name, question).splitlines()
    assert hostname == name
    assert address in addresses.split()
    assert serial == disk
    assert key.split()[:2] == chain.node(name)["instance"]["ssh_host_key"].split()[:2]


def test_roles_serve(chain: Chain) -> None:
    ask = "import urllib.request as web; print(web.urlopen('http://192.0.2.101:2381/health').read().decode())"
    assert json.loads(chain.lab.inside("python3", "-c", ask).stdout)["health"] == "true"
    assert "etcd" in chain.on_host("node-1", "sudo podman ps --format {{.Names}}")
    for name, document in (("node-2", "kubeadm-init.yaml"), ("node-3", "kubeadm-join.yaml")):
        assert "Server:" in chain.on_host(name, "sudo ctr version")
        assert "kubeadm.k8s.io/v1beta4" in chain.on_host(name, f"sudo cat /etc/kubernetes/{document}")


def test_once_more_changes_nothing(chain: Chain, tmp_path: Path) -> None:
    boots = {
        name: chain.on_host(name, "cat /proc/sys/kernel/random/boot_id") for name in ("node-1", "node-3")
    }
    started = chain.on_host("node-1", "systemctl show -p ActiveEnterTimestamp undercloud-etcd")
    journal = chain.ask("events", "--last", "10000")
    job = chain.vm_lab_run(tmp_path / "run.log")
    assert job.wait(PATIENCE) == 0, (tmp_path / "run.log").read_text()[-3000:]
    assert {name: chain.on_host(name, "cat /proc/sys/kernel/random/boot_id") for name in boots} == boots
    assert chain.on_host("node-1", "systemctl show -p ActiveEnterTimestamp undercloud-etcd") == started
    since = [event for event in chain.ask("events", "--last", "10000") if event["id"] > journal[-1]["id"]]
    assert not [event for event in since if event["kind"] in ("destructive", "state")]


def test_no_secret_shows(chain: Chain) -> None:
    rack = chain.lab.rack
    secrets = [path.read_text().strip() for path in rack.glob("bmc-password-*")]
    secrets += [
        line for line in (rack / "ssh" / "id_ed25519").read_text().splitlines() if "PRIVATE" not in line
    ]
    kubernetes = rack / "seed" / "handoff" / "kubernetes"
    secrets.append((kubernetes / "bootstrap-token").read_text().strip())
    secrets += [line for line in (kubernetes / "ca.key").read_text().splitlines() if "PRIVATE" not in line]
    secrets.append((rack / "seed" / "secrets.key").read_text().strip())
    assert all(len(secret) >= 8 for secret in secrets)

    shown = "\n".join(chain.argvs)
    shown += "".join(path.read_text(errors="replace") for path in rack.rglob("*.log"))
    shown += json.dumps([chain.ask("events", "--last", "10000"), chain.ask("node", "list")])
    shown += "".join(
        path.read_bytes().decode("latin-1") for path in (rack / "seed").glob("undercloud.sqlite*")
    )
    assert "undercloud" in shown
    assert [secret for secret in secrets if secret in shown] == []
    assert "agent_token=" not in shown
    assert "H4sIAAAA" not in shown  # a config drive, with the private key of its host


def test_down_leaves_nothing(chain: Chain) -> None:
    done = subprocess.run(
        [str(REPOSITORY / "vm-lab" / "run"), "down", "--name", chain.lab.name],
        env=chain.lab.env,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not any(chain.lab.traces().values()), chain.lab.traces()
