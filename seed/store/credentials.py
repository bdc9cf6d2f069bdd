"""Named BMC log-ins: one profile serves many nodes."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from hwdrivers.credentials import Credentials
from seed.store import tables
from seed.store.errors import NotFound
from seed.store.secrets import Secrets

SCOPE = "credentials"


class CredentialTable:
    """Credential profiles by name."""

    def __init__(self, connection: sa.Connection, secrets: Secrets) -> None:
        self._connection = connection
        self._secrets = secrets

    def put(self, name: str, credentials: Credentials) -> None:
        """Keep a profile, in the place of an older one of that name."""
        self._connection.execute(sa.delete(tables.credentials).where(tables.credentials.c.name == name))
        ca_file = str(credentials.ca_file) if credentials.ca_file else None
        self._connection.execute(
            sa.insert(tables.credentials).values(
                name=name, username=credentials.username, verify_tls=credentials.verify_tls, ca_file=ca_file
            )
        )
        self._secrets.put(SCOPE, name, credentials.password)

    def get(self, name: str) -> Credentials:
        """The profile; raises NotFound naming those that there are."""
        row = self._connection.execute(
            sa.select(tables.credentials).where(tables.credentials.c.name == name)
        ).one_or_none()
        if row is None:
            known = ", ".join(self.names()) or "none"
            raise NotFound(
                f"no credentials '{name}'; there are: {known}. Add them: `undercloud credentials add {name}`"
            )
        ca_file = Path(row.ca_file) if row.ca_file else None
        return Credentials(row.username, self._secrets.get(SCOPE, name), row.verify_tls, ca_file)

    def remove(self, name: str) -> None:
        """Forget a profile and its password; raises NotFound."""
        self.get(name)
        self._connection.execute(sa.delete(tables.credentials).where(tables.credentials.c.name == name))
        self._secrets.drop(SCOPE, name)

    def names(self) -> list[str]:
        order = tables.credentials.c.name
        return list(self._connection.execute(sa.select(order).order_by(order)).scalars())
