"""Copy a whole store into an empty one, of whichever database."""

from __future__ import annotations

import sqlalchemy as sa

from seed.errors import StoreFailed
from seed.store.tables import metadata

AT_ONCE = 1000  # rows


def copy(old: sa.Connection, new: sa.Connection) -> int:
    """Copy every row and return their number; raises StoreFailed when there is something in `new` already."""
    for table in metadata.sorted_tables:
        if new.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
            raise StoreFailed(f"the store to copy into is not empty: its table '{table.name}' has rows")
    return sum(_copy_table(table, old, new) for table in metadata.sorted_tables)


def _copy_table(table: sa.Table, old: sa.Connection, new: sa.Connection) -> int:
    copied = 0
    for rows in old.execute(sa.select(table)).partitions(AT_ONCE):
        new.execute(sa.insert(table), [dict(row._mapping) for row in rows])
        copied += len(rows)
    if "id" in table.c and copied:
        _go_on_counting(table, new)
    return copied


def _go_on_counting(table: sa.Table, new: sa.Connection) -> None:
    """PostgreSQL counts apart from the rows; SQLite sees the numbers that it is given."""
    if new.dialect.name == "postgresql":
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        new.execute(sa.select(sa.func.setval(sequence, sa.select(sa.func.max(table.c.id)).scalar_subquery())))
