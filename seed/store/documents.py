"""Whole documents by name, such as the declared profiles."""

from __future__ import annotations

import sqlalchemy as sa

from profiles.hosts import Profiles
from seed.store import tables


class Documents:
    """The documents that operators handed in."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def profiles(self) -> Profiles:
        """What hosts are declared; empty before the first `undercloud profiles apply`."""
        here = sa.select(tables.document.c.body).where(tables.document.c.name == "profiles")
        return Profiles.model_validate(self._connection.execute(here).scalar() or {})

    def put_profiles(self, profiles: Profiles) -> None:
        """Replace the declaration as a whole."""
        self._connection.execute(sa.delete(tables.document).where(tables.document.c.name == "profiles"))
        body = profiles.model_dump(mode="json")
        self._connection.execute(sa.insert(tables.document).values(name="profiles", body=body))
