"""Whole documents by name, such as the declared site."""

from __future__ import annotations

import sqlalchemy as sa

from profiles.site import Site
from seed.store import tables


class Documents:
    """The documents that operators handed in."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def site(self) -> Site:
        """What hosts are declared; empty before the first `undercloud profiles apply`."""
        here = sa.select(tables.document.c.body).where(tables.document.c.name == "profiles")
        return Site.model_validate(self._connection.execute(here).scalar() or {})

    def put_site(self, site: Site) -> None:
        """Replace the declaration as a whole."""
        self._connection.execute(sa.delete(tables.document).where(tables.document.c.name == "profiles"))
        self._connection.execute(sa.insert(tables.document).values(name="profiles", body=site.document()))
