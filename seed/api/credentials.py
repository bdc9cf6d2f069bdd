"""Routes of BMC credentials; passwords go in and never come out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, SecretStr

from hwdrivers.credentials import Credentials, Secret
from seed.api.context import Context, Who
from seed.api.lines import streamed
from seed.rotation import Rotation, generated
from seed.store.errors import Conflict


class NewCredentials(BaseModel):
    """A log-in that serves any number of BMCs."""

    model_config = ConfigDict(extra="forbid")
    username: str
    password: SecretStr
    verify_tls: bool = True
    ca_file: Path | None = None


class NewPassword(BaseModel):
    """The next password, or that one is to be made up; neither: go on with a rotation that is under way.

    `nodes`: None means all that use the credentials.
    """

    model_config = ConfigDict(extra="forbid")
    password: SecretStr | None = None
    generate: bool = False
    nodes: list[str] | None = None


def routes(context: Context) -> APIRouter:
    """The routes under /credentials."""
    router = APIRouter(prefix="/credentials", tags=["credentials"])
    rotation = Rotation(context.store, context.bmcs, context.governor.forget)

    @router.get("")
    def names() -> list[dict[str, object]]:
        with context.store.read() as tx:
            found = [(name, tx.credentials.get(name)) for name in tx.credentials.names()]
            users = Counter(node.credentials for node in tx.nodes.all())
        return [
            {"name": name, "username": c.username, "verify_tls": c.verify_tls, "nodes": users[name]}
            for name, c in found
        ]

    @router.put("/{name}", status_code=204)
    def put(name: str, new: NewCredentials, who: Who) -> None:
        password = Secret(new.password.get_secret_value())
        with context.store.write() as tx:
            tx.credentials.put(name, Credentials(new.username, password, new.verify_tls, new.ca_file))
            tx.events.add("credentials", f"credentials '{name}' set by {who}", who=who)

    @router.delete("/{name}", status_code=204)
    def delete(name: str, who: Who) -> None:
        with context.store.write() as tx:
            users = [node.name for node in tx.nodes.all() if node.credentials == name]
            if users:
                some = ", ".join(users[:5]) + (", ..." if len(users) > 5 else "")
                raise Conflict(f"credentials '{name}' are used by {len(users)} nodes: {some}")
            tx.credentials.remove(name)
            tx.events.add("credentials", f"credentials '{name}' deleted by {who}", who=who)

    @router.post("/{name}/rotate")
    def rotate(name: str, new: NewPassword, who: Who) -> StreamingResponse:
        """Lines with the keys bmc and progress, then summary; failed where it broke off."""
        password = Secret(new.password.get_secret_value()) if new.password else None
        made = generated if new.generate else None
        prepared = rotation.prepare(name, password or made, new.nodes, who)
        return streamed(lambda ended: rotation.run(prepared, who, ended))

    return router
