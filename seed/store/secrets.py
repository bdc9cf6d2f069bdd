"""Secrets, encrypted at rest with the seed's key file (Fernet: AES-128-CBC with HMAC-SHA256)."""

from __future__ import annotations

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken

from hwdrivers.credentials import Secret
from seed.store import tables
from seed.store.errors import NotFound, WrongKey


class Secrets:
    """Secrets by scope (a node's UUID, or 'credentials') and name."""

    def __init__(self, connection: sa.Connection, cipher: Fernet) -> None:
        self._connection = connection
        self._cipher = cipher

    def put(self, scope: str, name: str, secret: Secret) -> None:
        """Keep `secret`, in the place of an older one."""
        self.drop(scope, name)
        ciphertext = self._cipher.encrypt(secret.reveal().encode())
        self._connection.execute(
            sa.insert(tables.secret).values(scope=scope, name=name, ciphertext=ciphertext)
        )

    def find(self, scope: str, name: str) -> Secret | None:
        """The secret, or None; raises WrongKey when the key file is not the one it was made with."""
        here = sa.select(tables.secret.c.ciphertext).where(
            tables.secret.c.scope == scope, tables.secret.c.name == name
        )
        ciphertext = self._connection.execute(here).scalar()
        return None if ciphertext is None else self._decrypt(ciphertext, scope, name)

    def get(self, scope: str, name: str) -> Secret:
        """The secret; raises NotFound."""
        secret = self.find(scope, name)
        if secret is None:
            raise NotFound(f"no secret '{name}' of {scope} is stored")
        return secret

    def scopes(self, name: str) -> list[str]:
        """Who has a secret of this name."""
        rows = sa.select(tables.secret.c.scope).where(tables.secret.c.name == name)
        return list(self._connection.execute(rows).scalars())

    def drop(self, scope: str, name: str | None = None) -> None:
        """Forget one secret, or all of a scope."""
        statement = sa.delete(tables.secret).where(tables.secret.c.scope == scope)
        if name is not None:
            statement = statement.where(tables.secret.c.name == name)
        self._connection.execute(statement)

    def prove_key(self) -> bool:
        """Whether some secret proves that the key is this store's; raises WrongKey when it is not."""
        row = self._connection.execute(sa.select(tables.secret).limit(1)).one_or_none()
        if row is not None:
            self._decrypt(row.ciphertext, row.scope, row.name)
        return row is not None

    def _decrypt(self, ciphertext: bytes, scope: str, name: str) -> Secret:
        try:
            return Secret(self._cipher.decrypt(ciphertext).decode())
        except InvalidToken:
            raise WrongKey(
                f"the secret '{name}' of {scope} was encrypted with another key than the one in use: put the "
                "key file that belongs to this store back from a backup, or enter the secret anew"
            ) from None
