"""Bring nodes in line with the declared hosts: their names and MACs, before anything boots."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from hwdrivers.address import BMCAddress
from profiles.hosts import AmbiguousProfile, NoProfile, Profiles
from seed.model import Node
from seed.store import Store, Transaction
from seed.store.errors import Conflict


def new_node(bmc: BMCAddress, credentials: str, name: str | None, macs: tuple[str, ...] = ()) -> Node:
    """A node as it stands at the start of its life."""
    return Node(
        uuid=str(uuid4()),
        name=name or f"bmc-{bmc.host}".replace(".", "-").replace(":", "-"),
        bmc=str(bmc),
        credentials=credentials,
        state="enroll",
        created_at=datetime.now(UTC),
        macs=macs,
    )


class Declarations:
    """The declared hosts, and the nodes that they are about."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def declare(self, profiles: Profiles, who: str) -> list[Node]:
        """Replace the declaration; returns the nodes that a host matches. Conflict: nothing has changed."""
        with self._store.write() as tx:
            tx.documents.put_profiles(profiles)
            tx.events.add("profiles", f"{len(profiles.hosts)} hosts declared by {who}")
            return [node for node in tx.nodes.all() if self._align(tx, node, profiles)]

    def enroll(self, node: Node, who: str) -> Node:
        """Record a new machine; raises Conflict and then nothing has changed."""
        with self._store.write() as tx:
            tx.credentials.get(node.credentials)
            tx.nodes.add(node)
            tx.events.add("node.enrolled", f"{node.bmc} enrolled by {who}", node=node.uuid, who=who)
            self._align(tx, node, tx.documents.profiles())
            return tx.nodes.get(node.uuid)

    def _align(self, tx: Transaction, node: Node, profiles: Profiles) -> bool:
        try:
            host = profiles.host_for(node.facts())
        except NoProfile:
            return False
        except AmbiguousProfile as error:
            raise Conflict(str(error)) from error
        if host.name and host.name != node.name:
            tx.nodes.update(node.uuid, name=host.name)
        missing = [mac for mac in host.macs if mac not in node.macs]
        if missing:
            tx.nodes.set_macs(node.uuid, (*node.macs, *missing))
        return True
