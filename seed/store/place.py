"""Where a store is: a path is SQLite's file, a URL is a database on a PostgreSQL server."""

from __future__ import annotations

import stat
from pathlib import Path

from hwdrivers.credentials import Secret
from seed.errors import StoreFailed
from seed.store.database import Database
from seed.store.sqlite import SQLite


def database(where: Path | str, password_file: Path | None = None) -> Database:
    """The database of that place, not yet opened; raises StoreFailed."""
    if isinstance(where, Path):
        return SQLite(where)
    try:
        from seed.store.postgresql import PostgreSQL  # psycopg is an extra
    except ImportError as error:
        raise StoreFailed(
            f"the store {where} is on PostgreSQL, whose driver is not installed ({error}): "
            "pip install 'undercloud[postgresql]'"
        ) from None
    return PostgreSQL(where, _password(password_file) if password_file else None)


def _password(file: Path) -> Secret:
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise StoreFailed(f"{file}: others can read the store's password: chmod 600 {file}")
        return Secret(file.read_text().rstrip("\n"))
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "it is no text"
        raise StoreFailed(f"{file}: the store's password cannot be read: {said}") from None
