"""Stores as they are before anything happens, as many as a test wants: files, or databases of one server."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from cryptography.fernet import Fernet
from postgres_server import PostgresServer, running

from seed.store import Store

KINDS = ("sqlite", "postgresql")
KEY = Fernet.generate_key()


class Places:
    """Copies of one migrated store of each kind; the server is started when it is asked for first."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack

    def new(self, kind: str, folder: Path) -> Path | str:
        """Where a new store is; a file in `folder`, or a database."""
        if kind == "sqlite":
            return Path(shutil.copy(self._file, folder / "seed.sqlite"))
        return self.server.url(self.server.create(self._database))

    def forget(self, where: Path | str) -> None:
        """A database takes 8 MB; pytest itself keeps few folders."""
        if isinstance(where, str):
            self.server.drop(where)

    @cached_property
    def server(self) -> PostgresServer:
        return self._stack.enter_context(running())

    @cached_property
    def _file(self) -> Path:
        path = self._folder / "template.sqlite"
        _migrate(path)
        return path

    @cached_property
    def _database(self) -> str:
        name = self.server.create()
        _migrate(self.server.url(name))
        return name


def _migrate(where: Path | str) -> None:
    store = Store(where, Fernet(KEY))
    store.migrate()
    store.close()
