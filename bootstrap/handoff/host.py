"""A host as hand-off sees it, and what a role has to say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bootstrap.ssh import SSH
from profiles.hosts import Role


class HandoffFailed(RuntimeError):
    """A host is not what its role needs; the message names the host, what was seen and what to do."""


@dataclass(frozen=True)
class Host:
    """An active node with an address."""

    name: str
    hostname: str
    address: str
    role: Role | None

    @classmethod
    def from_node(cls, node: Mapping[str, Any]) -> Host:
        """From a node as the API shows it."""
        instance = node["instance"]
        role = Role(instance["role"]) if instance["role"] else None
        return cls(node["name"], instance["hostname"], instance["address"], role)


@dataclass(frozen=True)
class HostFile:
    """A file that a role puts on a host; `content` may hold secrets, so it does not print."""

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644


class RoleHandoff(Protocol):
    """How hosts get one role."""

    role: Role

    def files(self, host: Host) -> tuple[HostFile, ...]:
        """What is put on the host, rendered from values alone."""

    def activate(self, host: Host, ssh: SSH, *, changed: bool) -> None:
        """Start what the role is; what runs already is left alone unless its files `changed`."""

    def check(self, host: Host, ssh: SSH) -> str:
        """Prove that it serves, and say in a few words what was seen; raises HandoffFailed."""
