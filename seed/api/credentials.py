"""Routes of BMC credentials; passwords go in and never come out."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, SecretStr

from hwdrivers.credentials import Credentials, Secret
from seed.api.context import Context, Who


class NewCredentials(BaseModel):
    """A log-in that serves any number of BMCs."""

    model_config = ConfigDict(extra="forbid")
    username: str
    password: SecretStr
    verify_tls: bool = True
    ca_file: Path | None = None


def routes(context: Context) -> APIRouter:
    """The routes under /credentials."""
    router = APIRouter(prefix="/credentials", tags=["credentials"])

    @router.get("")
    def names() -> list[dict[str, object]]:
        with context.store.read() as tx:
            found = [(name, tx.credentials.get(name)) for name in tx.credentials.names()]
        return [{"name": n, "username": c.username, "verify_tls": c.verify_tls} for n, c in found]

    @router.put("/{name}", status_code=204)
    def put(name: str, new: NewCredentials, who: Who) -> None:
        password = Secret(new.password.get_secret_value())
        with context.store.write() as tx:
            tx.credentials.put(name, Credentials(new.username, password, new.verify_tls, new.ca_file))
            tx.events.add("credentials", f"credentials '{name}' set by {who}", who=who)

    return router
