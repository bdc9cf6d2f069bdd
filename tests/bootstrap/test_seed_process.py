"""From `undercloud init` to a seed that is killed: the command as it is typed, in a network of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import namespaces
import pytest
from eventually import until
from typed_site import ADDRESS, BRIDGE, Site, site

from pxe.firmware import REQUIRED

pytestmark = pytest.mark.skipif(namespaces.why_not() is not None, reason=str(namespaces.why_not()))

PASSWORD = "c0rrect-horse-battery"


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Site]:
    """A machine on which `init` never ran."""
    with site(tmp_path) as fresh:
        yield fresh


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One machine that `init` ran on; each test leaves its seed running."""
    with site(tmp_path_factory.mktemp("site")) as fresh:
        fresh.does(*fresh.init())
        yield fresh


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--interface", "nope0"],
            "interface 'nope0' does not exist; there are: br-prov (bridge, ",
        ),
        (["--interface", "machine0"], "interface machine0 has no IPv4 address"),
        (["--interface", BRIDGE, "--cidr", "everywhere"], "--cidr everywhere: Expected 4 octets"),
        (["--interface", BRIDGE, "--cidr", "198.51.100.1/24"], "198.51.100.1/24 has host bits set"),
        (
            ["--interface", BRIDGE, "--cidr", "10.0.0.0/24"],
            "has no IPv4 address in 10.0.0.0/24 (it has: 198.51.100.1/24",
        ),
        (["--dhcp-range", "10.0.0.1-10.0.0.9"], "10.0.0.1 is not in 198.51.100.0/24"),
        (["--dhcp-range", "198.51.100.1-198.51.100.9"], "contains the seed's own address 198.51.100.1"),
        (["--dhcp", "relay"], "the networks behind relays are needed"),
        (
            ["--dhcp", "relay", "--subnet", "10.0.0.0/24"],
            "--subnet 10.0.0.0/24: write NETWORK,ROUTER,",
        ),
        (["--dhcp", "proxy", "--dhcp-range", "198.51.100.8-198.51.100.9"], "nothing is leased"),
    ],
)
def test_init_that_cannot_work_changes_nothing(bare: Site, words: list[str], told: str) -> None:
    assert told in bare.refused(*bare.init(*words))
    assert list(bare.folder.iterdir()) == []
    assert bare.processes() == {}


def test_a_port_that_is_taken_is_found_before_anything_is_changed(bare: Site) -> None:
    def occupy() -> socket.socket:
        return socket.create_server((ADDRESS, 8080))

    with bare.cable.inside(occupy):
        assert "cannot listen on 198.51.100.1:8080: Address already in use" in bare.refused(*bare.init())
    assert list(bare.folder.iterdir()) == []


def test_init_makes_a_seed_that_answers(standing: Site) -> None:
    kept = standing.state
    assert stat.S_IMODE((kept / "secrets.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert stat.S_IMODE((standing.folder / "seed.sock").stat().st_mode) == 0o600
    assert f"interface: {BRIDGE}" in standing.config.read_text()
    assert json.loads(standing.does("node", "list", "-o", "json")) == []
    assert len([argv for argv in standing.processes().values() if argv.startswith("dnsmasq")]) == 1


def test_a_second_init_changes_nothing_and_says_so(standing: Site) -> None:
    lasting = ("undercloud.yaml", "state/secrets.key", "state/dnsmasq/dnsmasq.conf")
    before, running = standing.files(), standing.processes()
    said = standing.does("init")
    assert said.splitlines()[0] == "  nothing to change; this is how it stands:"
    assert [line for line in said.splitlines() if "by TFTP" in line] == [
        f"  {loader.filename} comes by TFTP ({loader.path.stat().st_size} bytes)" for loader in REQUIRED
    ]
    assert {name: standing.files()[name] for name in lasting} == {name: before[name] for name in lasting}
    assert standing.processes() == running


def test_init_restarts_a_seed_whose_configuration_changed(standing: Site) -> None:
    before = standing.seed()
    said = standing.does("init", "--yes", "--http-port", "8099")
    assert "  will restart the seed with this configuration" in said.splitlines()
    assert standing.seed() != before
    assert "http_port: 8099" in standing.config.read_text()
    assert "boot.ipxe" in (standing.state / "dnsmasq" / "dnsmasq.conf").read_text()
    assert ":8099/" in (standing.state / "dnsmasq" / "dnsmasq.conf").read_text()


def test_two_seeds_on_one_state_refuse_and_one_socket_has_one_seed(standing: Site, tmp_path: Path) -> None:
    first = standing.seed()
    assert standing.refused("seed", "run") == f"a seed is running on {standing.state} already"
    assert standing.does("seed", "start") == "The seed is running already.\n"
    other = Site(standing.cable, tmp_path)
    shared = ("--socket", str(standing.folder / "seed.sock"), "--http-port", "8111", "--interface", BRIDGE)
    told = other.refused("init", "--yes", "--state-dir", str(tmp_path / "state"), *shared)
    assert f"listens on {standing.folder / 'seed.sock'}" in told
    assert list(tmp_path.iterdir()) == []
    assert standing.seed() == first


def test_stop_leaves_no_process_and_start_works_again(standing: Site) -> None:
    assert standing.does("seed", "stop") == "The seed has stopped.\n"
    until(lambda: standing.processes() == {})
    assert not (standing.folder / "seed.sock").exists()
    assert standing.seed() is None
    assert standing.does("seed", "stop") == "No seed was running.\n"
    assert json.loads(standing.does("node", "list", "-o", "json")) == []  # without a seed
    assert standing.does("seed", "start").startswith("The seed is up (process ")
    assert standing.seed() is not None


def test_a_seed_that_is_killed_leaves_no_dnsmasq_and_starts_again(standing: Site) -> None:
    killed = standing.seed()
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    until(lambda: standing.processes() == {})
    assert standing.seed() is None
    standing.does("seed", "start")
    assert standing.seed() not in (None, killed)
    assert len([argv for argv in standing.processes().values() if argv.startswith("dnsmasq")]) == 1


def test_a_seed_without_its_interface_says_so(standing: Site) -> None:
    standing.does("seed", "stop")
    standing.cable.inside(
        lambda: subprocess.run(["ip", "link", "set", BRIDGE, "name", "br-away"], check=True)
    )
    try:
        told = standing.refused("seed", "start")
    finally:
        standing.cable.inside(
            lambda: subprocess.run(["ip", "link", "set", "br-away", "name", BRIDGE], check=True)
        )
    assert told.startswith("the seed does not start: interface 'br-prov' does not exist; there are: br-away")
    standing.does("seed", "start")


def test_a_store_without_its_key_is_refused_with_the_way_back(standing: Site) -> None:
    standing.does("seed", "stop")
    key = standing.state / "secrets.key"
    saved = key.read_bytes()
    key.unlink()
    try:
        for words in (("init", "--yes"), ("seed", "start"), ("node", "list")):
            told = standing.refused(*words)
            assert str(key) in told and "from a backup" in told
            assert not key.exists()
    finally:
        key.write_bytes(saved)
    standing.does("seed", "start")


def test_a_password_shows_in_no_command_line_environment_log_or_file(standing: Site) -> None:
    words = ("credentials", "add", "rack1", "--username", "admin", "--password-file", "-")
    typed = subprocess.Popen(
        standing.argv(*words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert typed.stdin is not None
    typed.stdin.write(f"{PASSWORD}\n")
    typed.stdin.flush()
    while typed.poll() is None:
        assert leaks(PASSWORD.encode()) == []
    assert typed.communicate()[0] == "Credentials 'rack1' are stored, encrypted.\n"
    standing.does("seed", "stop")
    standing.does("seed", "start")
    assert leaks(PASSWORD.encode()) == []
    assert [name for name, content in standing.files().items() if PASSWORD.encode() in content] == []
    key = (standing.state / "secrets.key").read_bytes()
    assert [name for name, content in standing.files().items() if key in content] == ["state/secrets.key"]


def leaks(secret: bytes) -> list[str]:
    """Files of other processes in /proc that show the secret to whoever may look."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                if int(folder.name) != os.getpid() and secret in (folder / name).read_bytes():
                    found.append(f"{folder}/{name}")
            except OSError:
                continue
    return found
