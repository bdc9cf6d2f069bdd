"""A throw-away PostgreSQL server of Debian's package: a Unix socket, a folder of its own, no fsync."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

USER = "undercloud"
LOCKED = "locked"  # the user who needs a password
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "500",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}


class PostgresServer:
    """Starts, stops and dies with the tests; hands out databases."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs = _programs()
        self._numbers = count(1)
        self._process: subprocess.Popen[str] | None = None
        self._run("initdb", "--no-sync", "--no-locale", "-E", "UTF8", "-A", "trust", "-U", USER, "-D", "data")
        access = folder / "data" / "pg_hba.conf"
        access.write_text(f"local all {LOCKED} scram-sha-256\nlocal all all trust\n")

    def start(self) -> None:
        """Returns when it takes connections. It dies with the thread that started it."""
        settings = {**SETTINGS, "unix_socket_directories": str(self._folder)}
        argv = [str(self._programs / "postgres"), "-D", "data"]
        argv += [f"--{name}={value}" for name, value in settings.items()]
        self._process = subprocess.Popen(
            ["setpriv", *_as_postgres(), "--pdeathsig", "QUIT", *argv],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        log = self._process.stderr
        assert log is not None
        said = []
        for line in log:
            said.append(line)
            if "ready to accept connections" in line:
                threading.Thread(target=log.read, daemon=True).start()
                return
        raise AssertionError("PostgreSQL does not start:\n" + "".join(said))

    def stop(self) -> None:
        """At once, as in a power cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def url(self, name: str, user: str = USER, **query: str) -> str:
        more = "".join(f"&{key}={value}" for key, value in query.items())
        return f"postgresql://{user}@/{name}?host={self._folder}{more}"

    def create(self, template: str = "template0", encoding: str = "UTF8") -> str:
        """The name of a new database that is a copy of `template`."""
        name = f"store{next(self._numbers)}"
        # A copy of files takes a third of the time of one through the journal.
        statement = "CREATE DATABASE {} TEMPLATE {} ENCODING {} STRATEGY FILE_COPY"
        new, old = sql.Identifier(name), sql.Identifier(template)
        self.execute(sql.SQL(statement).format(new, old, encoding))
        return name

    def drop(self, url: str) -> None:
        """Forget the database of this URL, whoever uses it."""
        name = sql.Identifier(urlsplit(url).path[1:])
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def execute(
        self, statement: sql.Composable | bytes, database: str = "postgres"
    ) -> list[tuple[object, ...]]:
        """What the statement answers, asked as the owner of everything."""
        with psycopg.connect(
            host=str(self._folder), user=USER, dbname=database, autocommit=True
        ) as connection:
            answer = connection.execute(statement)
            return answer.fetchall() if answer.description else []

    def _run(self, program: str, *arguments: str) -> None:
        argv = ["setpriv", *_as_postgres(), str(self._programs / program), *arguments]
        subprocess.run(argv, cwd=self._folder, check=True, capture_output=True, timeout=120)


@contextmanager
def running() -> Iterator[PostgresServer]:
    """A server in a folder that its user can reach, which pytest's are not; nothing is left of it."""
    folder = Path(tempfile.mkdtemp(prefix="undercloud-postgres-"))
    server = None
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        server = PostgresServer(folder)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder)


def _as_postgres() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    return [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _programs() -> Path:
    """Debian keeps them out of the PATH, by version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    assert found, "these tests need a PostgreSQL server: apt-get install postgresql (vm-lab/setup does)"
    return found[-1].parent
