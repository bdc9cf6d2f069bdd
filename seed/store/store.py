"""Open the store and work in it, one transaction at a time (SQLite in WAL mode)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from cryptography.fernet import Fernet

from seed.store.credentials import CredentialTable
from seed.store.documents import Documents
from seed.store.events import Events
from seed.store.leases import Leases
from seed.store.nodes import Nodes
from seed.store.runs import Runs
from seed.store.secrets import Secrets


class Transaction:
    """Everything that is changed through it is saved together, or not at all."""

    def __init__(self, connection: sa.Connection, cipher: Fernet, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._cipher = cipher
        self._clock = clock

    @cached_property
    def nodes(self) -> Nodes:
        return Nodes(self._connection)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self._connection, self._clock)

    @cached_property
    def events(self) -> Events:
        return Events(self._connection, self._clock)

    @cached_property
    def secrets(self) -> Secrets:
        return Secrets(self._connection, self._cipher)

    @cached_property
    def credentials(self) -> CredentialTable:
        return CredentialTable(self._connection, self.secrets)

    @cached_property
    def leases(self) -> Leases:
        return Leases(self._connection, self._clock)

    @cached_property
    def documents(self) -> Documents:
        return Documents(self._connection)

    def flush(self) -> None:
        """Write what is still pending; the store does so before it commits."""
        self.events.flush()


class Store:
    """One database; hands out transactions."""

    def __init__(
        self, path: Path, cipher: Fernet, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._path = path
        self._cipher = cipher
        self._clock = clock
        self._engine = sa.create_engine(
            f"sqlite:///{path}", connect_args={"timeout": 30, "isolation_level": None}
        )
        sa.event.listen(self._engine, "connect", _tune)
        sa.event.listen(self._engine, "begin", _begin)

    def migrate(self) -> None:
        """Bring the tables to the newest revision; nothing happens when they are there already."""
        config = Config()
        config.set_main_option("script_location", str(files("seed").joinpath("migrations")))
        self._path.touch(mode=0o600)
        with self._engine.execution_options(writes=True).begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """See one consistent state; never waits for a writer."""
        with self._engine.begin() as connection:
            yield Transaction(connection, self._cipher, self._clock)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Change things; writers queue, so that nobody decides on what is about to change."""
        with self._engine.execution_options(writes=True).begin() as connection:
            transaction = Transaction(connection, self._cipher, self._clock)
            yield transaction
            transaction.flush()

    @contextmanager
    def claim(self) -> Iterator[Transaction]:
        """Take runs; seeds that do so at once do not wait for each other."""
        with self.write() as transaction:
            yield transaction

    def close(self) -> None:
        self._engine.dispose()


def _tune(connection: Any, _record: Any) -> None:
    """WAL: readers and one writer at once. FULL: a step that was written down survives a power cut."""
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    """A deferred transaction that turns into a writer fails at once when another writes; IMMEDIATE waits."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
