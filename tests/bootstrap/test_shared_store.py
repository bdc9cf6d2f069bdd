"""Seeds that share a store on PostgreSQL: the command as it is typed, each in a place of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import namespaces
import pytest
from cryptography.fernet import Fernet
from namespaces import SEED, Cable
from postgres_server import PostgresServer, running
from typer.testing import CliRunner

from bootstrap.cli import app

pytestmark = pytest.mark.skipif(namespaces.why_not() is not None, reason=str(namespaces.why_not()))


@dataclass(frozen=True)
class Site:
    """A machine with a network to provision, and the folder of its seed."""

    cable: Cable
    folder: Path

    @property
    def key(self) -> Path:
        return self.folder / "state" / "secrets.key"

    def types(self, *words: str) -> tuple[int, str, str]:
        """Exit code, output and errors. What looks at this machine's network is typed inside of it."""
        command = ["--config", str(self.folder / "undercloud.yaml"), *words]
        if words[0] == "init":
            argv = self.cable.argv(sys.executable, "-m", "bootstrap", *command)
            typed = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120
            )
            return typed.returncode, typed.stdout, typed.stderr
        done = CliRunner().invoke(app, command)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    def does(self, *words: str) -> str:
        code, said, complained = self.types(*words)
        assert (code, complained) == (0, ""), complained
        return said

    def refused(self, *words: str) -> str:
        """What stands after `error: `, which is one line, alone, with exit code 1."""
        code, _, complained = self.types(*words)
        lines = complained.splitlines()
        assert code == 1 and len(lines) == 1 and lines[0].startswith("error: "), complained
        return lines[0].removeprefix("error: ")

    def init(self, url: str | None = None) -> tuple[str, ...]:
        paths = {"state-dir": "state", "images-dir": "images", "socket": "seed.sock"}
        options = [word for key, name in paths.items() for word in (f"--{key}", str(self.folder / name))]
        shared = ("--database", url) if url else ()
        return ("init", "--yes", "--interface", SEED, *options, *shared)

    def nodes(self) -> list[str]:
        return [node["name"] for node in json.loads(self.does("node", "list", "-o", "json"))]


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with running() as server:
        yield server


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "one").mkdir()
    with namespaces.cable() as cable:
        yield Site(cable, tmp_path / "one")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "two").mkdir()
    with namespaces.cable() as cable:
        yield Site(cable, tmp_path / "two")


def test_two_machines_share_one_store_and_its_key(server: PostgresServer, one: Site, two: Site) -> None:
    url = server.url(server.create())
    assert f"the store is {url}" in one.does(*one.init(url))
    told = two.refused(*two.init(url))
    assert told.startswith(f"{url} is there but its key {two.key} is not.")
    assert "from another seed of this store" in told
    assert list(two.folder.iterdir()) == []
    two.key.parent.mkdir()
    two.key.write_bytes(Fernet.generate_key())
    assert two.refused(*two.init(url)).startswith(f"{two.key} is not the key of {url}: ")
    two.key.write_bytes(one.key.read_bytes())
    one.does("seed", "stop")
    two.does(*two.init(url))
    password = two.folder / "password"
    password.write_text("c0rrect-horse-battery")
    two.does("credentials", "add", "rack1", "--username", "a", "--password-file", str(password))
    one.does("node", "enroll", "ipmi://10.0.0.5", "--credentials", "rack1", "--name", "one")
    assert two.nodes() == one.nodes() == ["one"]
    assert not list(one.folder.rglob("*.sqlite"))


def test_a_server_that_goes_and_comes_back(server: PostgresServer, one: Site) -> None:
    one.does(*one.init(server.url(server.create())))
    server.stop()
    assert one.refused("node", "list").startswith("the store does not answer: ")
    server.start()
    assert one.nodes() == []


def test_a_store_is_copied_into_a_database_and_the_seed_goes_over(server: PostgresServer, one: Site) -> None:
    one.does(*one.init())
    password = one.folder / "password"
    password.write_text("c0rrect-horse-battery")
    one.does("credentials", "add", "rack1", "--username", "a", "--password-file", str(password))
    one.does("node", "enroll", "ipmi://10.0.0.5", "--credentials", "rack1", "--name", "one")
    url = server.url(server.create())
    assert one.refused("seed", "copy-store", url).startswith("stop the seeds that work on this store first: ")
    one.does("seed", "stop")
    assert f"Next: undercloud init --database '{url}'" in one.does("seed", "copy-store", url)
    one.does(*one.init(url))
    assert one.nodes() == ["one"]


def test_init_without_the_database_changes_nothing(server: PostgresServer, one: Site) -> None:
    url = server.url("undercloud")
    told = one.refused(*one.init(url))
    assert told.startswith(f"the store {url} cannot be used: connection failed: ")
    assert 'database "undercloud" does not exist; create it: createdb --encoding UTF8' in told
    assert list(one.folder.iterdir()) == []
