"""Two seeds share a fleet on PostgreSQL; the one that has an image written is killed, the other finishes it.

Each seed stands in a network namespace of its own on the same provisioning network. What machines know is the
address that the seeds share: it moves with DHCP to the one that lives.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from outside import Lab
from postgres_server import PostgresServer, running

pytestmark = pytest.mark.lab

UNDERCLOUD = Path(__file__).parents[2] / ".venv" / "bin" / "undercloud"
IMAGES = os.environ.get("UNDERCLOUD_IMAGES") or "/var/cache/undercloud/images"
SHARED = "192.0.2.3"
PATIENCE = 1500.0  # an emulated machine on a busy computer


@dataclass(frozen=True)
class Seed:
    """One of the seeds: where it stands, and its files."""

    namespace: str
    folder: Path
    interface: str

    @property
    def state(self) -> Path:
        return self.folder / "seed"

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(UNDERCLOUD), "--config", str(self.folder / "undercloud.yaml"), *words]
        return subprocess.run(
            ["ip", "netns", "exec", self.namespace, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def does(self, *words: str) -> str:
        done = self.types(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def asks(self, *words: str) -> Any:
        return json.loads(self.does(*words, "-o", "json"))

    def start(self, store: str) -> None:
        places = {"state-dir": self.state, "socket": self.folder / "s.sock", "images-dir": IMAGES}
        named = [word for name, place in places.items() for word in (f"--{name}", str(place))]
        network = ("--interface", self.interface, "--cidr", "192.0.2.0/24", "--service-address", SHARED)
        self.does("init", "--yes", *network, *named, "--database", store)

    def kill(self) -> None:
        os.kill(self.asks("seed", "status")["pid"], signal.SIGKILL)

    @property
    def has_shared_address(self) -> bool:
        shown = ip("-n", self.namespace, "-json", "address", "show", "to", SHARED)
        return SHARED in shown


@dataclass(frozen=True)
class Site:
    lab: Lab
    one: Seed
    other: Seed
    store: str


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def until(so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(2)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running() as server:
        yield server


@pytest.fixture
def site(new_lab: Callable[[], Lab], server: PostgresServer) -> Iterator[Site]:
    lab = new_lab()
    done = lab("up", "--nodes", "1")
    assert done.returncode == 0, done.stderr
    rack = next(name for name in _namespaces() if name.startswith(f"uc-{lab.name}-"))
    second = f"{rack}-b"
    one = Seed(rack, lab.rack / "a", "br-prov")
    other = Seed(second, lab.rack / "b", "eth0")
    try:
        _second_place(rack, second)
        for seed in (one, other):
            seed.folder.mkdir()
        yield Site(lab, one, other, server.url(server.create()))
    finally:
        for seed in (one, other):
            seed.types("seed", "stop")
        subprocess.run(["ip", "netns", "delete", second], check=False)


def _namespaces() -> list[str]:
    return [path.name for path in Path("/run/netns").iterdir()]


def _second_place(rack: str, second: str) -> None:
    """Another machine on the same cable, which reaches the BMCs through the first."""
    ip("netns", "add", second)
    ip("-n", rack, "link", "add", "seed-b", "type", "veth", "peer", "name", "eth0", "netns", second)
    ip("-n", rack, "link", "set", "seed-b", "master", "br-prov", "up")
    ip("-n", second, "link", "set", "lo", "up")
    ip("-n", second, "address", "add", "192.0.2.2/24", "dev", "eth0")
    ip("-n", second, "address", "add", "2001:db8:1::2/64", "dev", "eth0", "nodad")
    ip("-n", second, "link", "set", "eth0", "up")
    ip("-n", second, "route", "add", "198.51.100.0/28", "via", "192.0.2.1")


def declaration(folder: Path) -> Path:
    key = folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    host = {
        "match": {"bmc": "198.51.100.2"},
        "name": "node-1",
        "macs": ["52:54:00:4c:00:01"],
        "hostname": "node-1",
        "address": "192.0.2.101",
        "root_device": {"serial": "lab00001-a"},
        "ssh_keys": [key.with_suffix(".pub").read_text().strip()],
    }
    site = {"networks": {"provisioning": {"cidr": "192.0.2.0/24"}}, "hosts": [host]}
    path = folder / "hosts.yaml"
    path.write_text(yaml.safe_dump(site))
    return path


def test_the_seed_that_has_an_image_written_dies_and_the_other_finishes_it(site: Site) -> None:
    one, other = site.one, site.other
    one.start(site.store)
    other.state.mkdir(mode=0o700)
    shutil.copy(one.state / "secrets.key", other.state)
    other.start(site.store)
    names = [seed.asks("seed", "status")["name"] for seed in (one, other)]
    assert one.asks("seed", "list") == other.asks("seed", "list")
    assert {seed["name"]: seed["leads"] for seed in one.asks("seed", "list")} == {
        names[0]: True,
        names[1]: False,
    }
    assert (one.has_shared_address, other.has_shared_address) == (True, False)

    password = one.folder / "password"
    password.write_text("lab-only")
    login = ("--username", "admin", "--password-file", str(password), "--insecure")
    one.does("credentials", "add", "lab", *login)
    one.does("profiles", "apply", str(declaration(one.folder)))
    one.does("node", "enroll", "ipmi://198.51.100.2", "--credentials", "lab")
    for verb in ("manage", "provide"):
        other.does("node", verb, "node-1", "--yes")  # either seed takes what is asked
    one.does("node", "deploy", "node-1", "--yes", "--no-wait")

    def writing() -> list[dict[str, Any]]:
        journal = other.asks("events", "--node", "node-1", "--last", "10000")
        return [e for e in journal if e["kind"] == "destructive" and e["message"].startswith("writing")]

    until(lambda: bool(writing()), "the image is being written")
    writer = writing()[0]["data"]["seed"]
    dead, alive = (one, other) if writer == names[0] else (other, one)
    dead.kill()

    until(lambda: alive.asks("node", "show", "node-1")["run"] is None, "the deploy ends")
    node = alive.asks("node", "show", "node-1")
    assert (node["state"], node["last_error"]) == ("active", None)
    assert len(writing()) == 1
    assert alive.has_shared_address
    assert not dead.has_shared_address
    assert [seed["leads"] for seed in alive.asks("seed", "list")] == [True]
    key = str(one.folder / "id_ed25519")
    said = alive.does(
        "node", "ssh", "--identity", key, "node-1", "--", "hostname; lsblk -ndo SERIAL /dev/vda"
    )
    assert said.split() == ["node-1", "lab00001-a"]
    assert "Traceback" not in (alive.state / "seed.log").read_text()

    dead.does("seed", "start")  # it is one of two again, and leaves the lead where it is
    assert {seed["name"]: seed["leads"] for seed in dead.asks("seed", "list")} == {
        name: name != writer for name in names
    }
