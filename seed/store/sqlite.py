"""SQLite in WAL mode: a file beside the seed, nothing to install."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from seed.errors import StoreFailed
from seed.store.database import Intent, begin_with, words

# A deferred transaction that turns into a writer fails at once when another writes; IMMEDIATE waits.
_BEGIN = {Intent.READ: "BEGIN", Intent.WRITE: "BEGIN IMMEDIATE", Intent.CLAIM: "BEGIN IMMEDIATE"}


class SQLite:
    """The database in one file, which only its owner may read."""

    queued = frozenset({Intent.WRITE, Intent.CLAIM})

    def __init__(self, path: Path) -> None:
        self._path = path
        self.engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(path)),
            connect_args={"timeout": 30, "isolation_level": None},
            pool_size=8,
            max_overflow=16,
            hide_parameters=True,
        )
        sa.event.listen(self.engine, "connect", _tune)
        begin_with(self.engine, _BEGIN)

    def exists(self) -> bool:
        return self._path.exists()

    @contextmanager
    def opening(self) -> Iterator[None]:
        try:
            self._path.touch(mode=0o600)
            yield
        except FileNotFoundError:
            raise StoreFailed(f"the store {self._path}: there is no folder {self._path.parent}") from None
        except sa.exc.DBAPIError as error:
            raise StoreFailed(f"the store {self._path} cannot be used: {words(error)}") from None

    def announce(self, connection: sa.Connection) -> None:
        """One seed alone works on a file."""

    def listening(self, heard: Callable[[], None]) -> AbstractContextManager[None]:
        return nullcontext()


def _tune(connection: Any, _record: Any) -> None:
    """WAL: readers and one writer at once. FULL: a step that was written down survives a power cut."""
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
