"""Whole documents by name, such as the declared site."""

from __future__ import annotations

from functools import lru_cache

import sqlalchemy as sa
from pydantic import ValidationError

from profiles.document import DocumentError
from profiles.site import Site
from seed.store import tables


@lru_cache(maxsize=2)
def _site(text: str) -> Site:
    """Thousands of hosts take a tenth of a second to check, and are asked for again and again."""
    try:
        return Site.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where, words = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        raise DocumentError(
            f"the declaration in the store, which an earlier release took, is refused by this one: {where}: "
            f"{words}; correct its file and hand it in again: undercloud profiles apply FILE"
        ) from None


class Documents:
    """The documents that operators handed in."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def site(self) -> Site:
        """What hosts are declared; empty before the first `undercloud profiles apply`.

        Raises DocumentError where an earlier release took what this one does not.
        """
        text = sa.cast(tables.document.c.body, sa.Text)
        here = sa.select(text).where(tables.document.c.name == "profiles")
        return _site(self._connection.execute(here).scalar() or "{}")

    def put_site(self, site: Site) -> None:
        """Replace the declaration as a whole."""
        self._connection.execute(sa.delete(tables.document).where(tables.document.c.name == "profiles"))
        self._connection.execute(sa.insert(tables.document).values(name="profiles", body=site.document()))
