"""Open the store and work in it, one transaction at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import sqlalchemy as sa
from cryptography.fernet import Fernet
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError, TimeoutError

from seed.errors import StoreFailed
from seed.store.conduct import ConductTable
from seed.store.copying import copy
from seed.store.credentials import CredentialTable
from seed.store.database import Intent, words
from seed.store.discovered import DiscoveredTable
from seed.store.documents import Documents
from seed.store.events import Events
from seed.store.fleet import Fleet
from seed.store.history import History
from seed.store.leases import Leases
from seed.store.nodes import Nodes
from seed.store.place import database
from seed.store.revisions import upgrade
from seed.store.rollouts import RolloutTable
from seed.store.runs import Runs
from seed.store.secrets import Secrets

# What may be over when one asks again; the rest are errors of ours.
TROUBLE = (OperationalError, InterfaceError, InternalError, TimeoutError)
PATIENCE = 30  # seconds that a writer waits for its turn, here and in the database


class Transaction:
    """Everything that is changed through it is saved together, or not at all."""

    def __init__(self, connection: sa.Connection, cipher: Fernet, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._cipher = cipher
        self._clock = clock
        self.announced = False

    @cached_property
    def nodes(self) -> Nodes:
        return Nodes(self._connection)

    @cached_property
    def fleet(self) -> Fleet:
        return Fleet(self._connection)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self._connection, self._clock, self.announce)

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

    @cached_property
    def rollouts(self) -> RolloutTable:
        return RolloutTable(self._connection, self._clock)

    @cached_property
    def conduct(self) -> ConductTable:
        return ConductTable(self._connection, self._clock)

    @cached_property
    def discovered(self) -> DiscoveredTable:
        return DiscoveredTable(self._connection, self._clock)

    @cached_property
    def history(self) -> History:
        return History(self._connection)

    def announce(self) -> None:
        """Have the other seeds look for work once this is saved."""
        self.announced = True

    def flush(self) -> None:
        """Write what is still pending; the store does so before it commits."""
        self.events.flush()


class Store:
    """One database; hands out transactions."""

    def __init__(
        self,
        where: Path | str,
        cipher: Fernet,
        *,
        password_file: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`where` is a path (SQLite) or the URL of a PostgreSQL database; raises StoreFailed."""
        self._where = where
        self._database = database(where, password_file)
        self._cipher = cipher
        self._clock = clock
        self._engines = {intent: self._database.engine.execution_options(intent=intent) for intent in Intent}
        self._turn = threading.Lock()

    def migrate(self) -> None:
        """Bring the tables to the newest revision; nothing happens when they are there already.

        Raises StoreFailed when the database cannot be used, or when a newer release made its tables.
        """
        with self._database.opening(), self._begin(Intent.WRITE) as connection:
            upgrade(connection, str(self._where))

    def read(self) -> AbstractContextManager[Transaction]:
        """See one consistent state; never waits for a writer. Raises StoreFailed, as the others do."""
        return self._transaction(Intent.READ)

    def write(self) -> AbstractContextManager[Transaction]:
        """Change things; writers queue, so that nobody decides on what is about to change."""
        return self._transaction(Intent.WRITE)

    def claim(self) -> AbstractContextManager[Transaction]:
        """Take runs, and write no events: seeds that do so at once do not wait for each other."""
        return self._transaction(Intent.CLAIM)

    def listening(self, heard: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `heard`, in a thread of its own, whenever another seed announced something or may have."""
        return self._database.listening(heard)

    def copy_to(self, other: Store) -> int:
        """Copy every row into a store that has none, and return their number; raises StoreFailed."""
        with self._begin(Intent.WRITE) as old, other._begin(Intent.WRITE) as new:
            return copy(old, new)

    def close(self) -> None:
        self._database.engine.dispose()

    @contextmanager
    def _transaction(self, intent: Intent) -> Iterator[Transaction]:
        try:
            with self._begin(intent) as connection:
                transaction = Transaction(connection, self._cipher, self._clock)
                yield transaction
                transaction.flush()
                if transaction.announced:
                    self._database.announce(connection)
        except TROUBLE as error:
            raise StoreFailed(f"the store does not answer: {words(error)}") from error

    @contextmanager
    def _begin(self, intent: Intent) -> Iterator[sa.Connection]:
        """One writer of this process at a time asks the database; the others wait without a connection."""
        waits = intent in self._database.queued
        if waits and not self._turn.acquire(timeout=PATIENCE):
            raise TimeoutError(f"another thread has been writing for {PATIENCE} s")
        try:
            with self._engines[intent].begin() as connection:
                yield connection
        finally:
            if waits:
                self._turn.release()
