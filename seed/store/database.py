"""What differs between the databases that a store can be in; each has a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from enum import Enum, auto
from typing import Protocol

import sqlalchemy as sa


class Intent(Enum):
    """What a transaction is for."""

    READ = auto()
    WRITE = auto()
    CLAIM = auto()


class Database(Protocol):
    """One database; transactions of `engine` begin as the option `intent` says, without one to read."""

    engine: sa.Engine
    queued: frozenset[Intent]  # transactions that wait for each other

    def exists(self) -> bool:
        """Whether somebody made a store in it; raises StoreFailed when that cannot be told."""

    def opening(self) -> AbstractContextManager[None]:
        """Around the first use: makes it ready, and raises StoreFailed in the operator's words."""

    def announce(self, connection: sa.Connection) -> None:
        """Tell the other seeds, once this transaction is done, that there may be work for them."""

    def listening(self, heard: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `heard`, in a thread of its own, whenever another seed announced something or may have."""


def words(error: Exception) -> str:
    """What the database said, in one line and without the statement, whose values are nobody's business."""
    said = str(getattr(error, "orig", None) or error)
    return " ".join(said.partition("\nLINE ")[0].split())


def begin_with(engine: sa.Engine, statements: Mapping[Intent, str]) -> None:
    """Have the transactions of `engine`, whose driver begins none itself, begin with these statements."""

    def begin(connection: sa.Connection) -> None:
        intent = connection.get_execution_options().get("intent", Intent.READ)
        for statement in statements[intent].split(";"):
            connection.exec_driver_sql(statement)

    sa.event.listen(engine, "begin", begin)
