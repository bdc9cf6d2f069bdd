"""PostgreSQL: several seeds share one store. The only file that knows psycopg."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import sqlalchemy as sa
from psycopg.abc import Buffer
from psycopg.types.string import StrDumperUnknown

from hwdrivers.credentials import Secret
from seed.errors import StoreFailed
from seed.store.database import Intent, begin_with, words
from seed.store.listening import listening

CHANNEL = "undercloud"
WRITERS = 0x75637764  # the advisory lock that all writers of a store queue for

_BEGIN = {
    Intent.READ: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    # Taken before anything is read or numbered: so events become visible in the order of their numbers.
    Intent.WRITE: f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({WRITERS})",
    Intent.CLAIM: "BEGIN ISOLATION LEVEL READ COMMITTED",
}

# Of the session, on the server: a seed that freezes or is cut off must not keep the others waiting.
_SESSION = {
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "30s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
}
# Of the client (libpq): a server that is gone is noticed.
_CLIENT = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "fallback_application_name": "undercloud",
}

# What to try, by what libpq or the server says.
_ADVICE = {
    "password authentication failed": "put the right one into the file that `database_password_file` names",
    "no password supplied": "put it into a file of mode 0600 and name that: `database_password_file`",
    'database ".*" does not exist': "create it: createdb --encoding UTF8 --template template0 NAME",
    'role ".*" does not exist': "create it: createuser NAME",
    "permission denied": "the user needs a database of its own: ALTER DATABASE NAME OWNER TO USER",
    "connection to server": "see that it runs, and that `database` in the configuration names it",
}


class PostgreSQL:
    """The database on a server that `url` names; the password, where it wants one, comes apart."""

    queued = frozenset({Intent.WRITE})

    def __init__(self, url: str, password: Secret | None) -> None:
        self._url = url
        self._me = uuid4().hex
        secret = {"password": password.reveal()} if password else {}
        self.engine = sa.create_engine(
            _tuned(sa.make_url(url)),
            connect_args={"autocommit": True, "client_encoding": "utf8", **secret},
            pool_size=8,
            max_overflow=16,
            pool_pre_ping=True,
            hide_parameters=True,
        )
        sa.event.listen(self.engine, "connect", _adapt)
        begin_with(self.engine, _BEGIN)

    def exists(self) -> bool:
        with self.opening():
            return sa.inspect(self.engine).has_table("alembic_version")

    @contextmanager
    def opening(self) -> Iterator[None]:
        try:
            self._check_encoding()
            yield
        except sa.exc.DBAPIError as error:
            seen = words(error)
            advice = [advice for said, advice in _ADVICE.items() if re.search(said, seen)]
            raise StoreFailed(
                "; ".join([f"the store {self._url} cannot be used: {seen}", *advice[:1]])
            ) from None

    def announce(self, connection: sa.Connection) -> None:
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, self._me)))

    def listening(self, heard: Callable[[], None]) -> AbstractContextManager[None]:
        return listening(self._apart, CHANNEL, self._me, heard)

    @contextmanager
    def _apart(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection that is not the pool's."""
        connection = self.engine.raw_connection()
        driver: Any = connection.driver_connection
        connection.detach()
        try:
            yield driver
        finally:
            connection.close()

    def _check_encoding(self) -> None:
        """What machines and operators write can be any text; other encodings refuse some of it later."""
        with self.engine.connect() as connection:
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise StoreFailed(
                f"the store {self._url} is encoded in {encoding}, which cannot hold every text: make one "
                "with createdb --encoding UTF8 --template template0 NAME"
            )


class _Text(StrDumperUnknown):
    """Machines tell texts that are padded with NUL, which PostgreSQL keeps in none."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))


def _adapt(connection: Any, _record: Any) -> None:
    connection.adapters.register_dumper(str, _Text)


def _tuned(url: sa.URL) -> sa.URL:
    """What the URL says wins."""
    session = [f"-c {name}={value}" for name, value in _SESSION.items()]
    options = " ".join([*session, *url.normalized_query.get("options", ())])
    return url.set(drivername="postgresql+psycopg", query={**_CLIENT, **url.query, "options": options})
