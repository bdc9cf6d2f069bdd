"""Bring nodes in line with the declared hosts: their names and MACs, before anything boots."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import uuid4

from hwdrivers.address import BMCAddress
from profiles.hosts import Host
from profiles.site import AmbiguousProfile, Assignment, Site
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

    def declare(self, site: Site, who: str) -> list[Node]:
        """Replace the declaration; returns the nodes that a host matches. Conflict: nothing has changed."""
        with self._store.write() as tx:
            return self.put(tx, site, who)

    def put(self, tx: Transaction, site: Site, who: str) -> list[Node]:
        """The same inside of a caller's transaction, which must not survive a Conflict."""
        tx.documents.put_site(site)
        tx.events.add("profiles", f"{len(site.hosts)} hosts declared by {who}", who=who)
        nodes = tx.nodes.all()
        hosts = assigned(site, nodes).hosts
        for node in nodes:
            if node.uuid in hosts:
                _align(tx, node, hosts[node.uuid])
        return [node for node in nodes if node.uuid in hosts]

    def enroll(self, node: Node, who: str) -> Node:
        """Record a new machine; raises Conflict and then nothing has changed."""
        with self._store.write() as tx:
            tx.credentials.get(node.credentials)
            tx.nodes.add(node)
            tx.events.add("node.enrolled", f"{node.bmc} enrolled by {who}", node=node.uuid, who=who)
            host = assigned(tx.documents.site(), [node]).hosts.get(node.uuid)
            if host is not None:
                _align(tx, node, host)
            return tx.nodes.get(node.uuid)


def assigned(site: Site, nodes: Iterable[Node]) -> Assignment:
    """Which declared host each node is, by its UUID; raises Conflict when that cannot be told."""
    try:
        return site.assign({node.uuid: node.facts() for node in nodes})
    except AmbiguousProfile as error:
        raise Conflict(str(error)) from error


def _align(tx: Transaction, node: Node, host: Host) -> None:
    if host.name and host.name != node.name:
        tx.nodes.update(node.uuid, name=host.name)
    missing = [mac for mac in host.macs if mac not in node.macs]
    if missing:
        tx.nodes.set_macs(node.uuid, (*node.macs, *missing))
