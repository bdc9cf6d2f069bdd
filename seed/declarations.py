"""Bring nodes in line with the declared hosts, as far as that needs no machine: names, MACs, maintenance."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hwdrivers.address import BMCAddress
from profiles.hosts import Host
from profiles.site import AmbiguousProfile, Assignment, Site
from seed.flags import halt_or_go_on
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

    def put(self, tx: Transaction, site: Site, who: str, only: Collection[str] | None = None) -> list[Node]:
        """The same inside of a caller's transaction, which must not survive a Conflict.

        `only`: the nodes, by UUID, that are brought in line; None means all.
        """
        tx.documents.put_site(site)
        tx.events.add("profiles", f"{len(site.hosts)} hosts declared by {who}", who=who)
        nodes = tx.nodes.all()
        hosts = assigned(site, nodes).hosts
        matched = [node for node in nodes if node.uuid in hosts]
        for node in matched:
            if only is None or node.uuid in only:
                _align(tx, node, hosts[node.uuid], who)
        return matched

    def enroll(self, node: Node, who: str) -> Node:
        """Record a new machine; raises Conflict and then nothing has changed."""
        with self._store.write() as tx:
            if node.credentials:  # a machine that came by itself may wait for them
                tx.credentials.get(node.credentials)
            tx.nodes.add(node)
            tx.events.add("node.enrolled", f"{node.bmc} enrolled by {who}", node=node.uuid, who=who)
            host = assigned(tx.documents.site(), [node]).hosts.get(node.uuid)
            if host is not None:
                _align(tx, node, host, who)
            return tx.nodes.get(node.uuid)


def assigned(site: Site, nodes: Iterable[Node]) -> Assignment:
    """Which declared host each node is, by its UUID; raises Conflict when that cannot be told."""
    try:
        return site.assign({node.uuid: node.facts() for node in nodes})
    except AmbiguousProfile as error:
        raise Conflict(str(error)) from error


def aside(node: Node, host: Host) -> dict[str, Any]:
    """The facts about a node that are not as declared, and are put right without its machine."""
    new: dict[str, Any] = {}
    if host.name and host.name != node.name:
        new["name"] = host.name
    if missing := [mac for mac in host.macs if mac not in node.macs]:
        new["macs"] = (*node.macs, *missing)
    new |= _maintenance(node, host.maintenance)
    role = host.role.value if host.role else None
    if node.instance and node.instance.role != role:
        new["instance"] = replace(node.instance, role=role)
    return new


def in_words(node: Node, new: Mapping[str, Any]) -> Iterator[str]:
    """What `aside` found, for people."""
    if "name" in new:
        yield f"name: {node.name} → {new['name']}"
    if "macs" in new:
        yield f"MACs: also {', '.join(mac for mac in new['macs'] if mac not in node.macs)}"
    if "maintenance" in new:
        yield f"maintenance: on ({new['maintenance_reason']})" if new["maintenance"] else "maintenance: off"
    if "instance" in new and node.instance:
        yield f"role: {node.instance.role or 'none'} → {new['instance'].role or 'none'}"


def _maintenance(node: Node, wanted: bool | str | None) -> dict[str, Any]:
    if wanted is None or (wanted is False and not node.maintenance):
        return {}
    if wanted is False:
        return {"maintenance": False, "maintenance_reason": None, "maintenance_by": None}
    if node.maintenance and wanted in (True, node.maintenance_reason):
        return {}
    return {"maintenance": True, "maintenance_reason": "as declared" if wanted is True else wanted}


def _align(tx: Transaction, node: Node, host: Host, who: str) -> None:
    new = aside(node, host)
    if not new:
        return
    words = "; ".join(in_words(node, new))
    if new.get("maintenance"):
        new["maintenance_by"] = who
    tx.nodes.update(node.uuid, **new)
    if "maintenance" in new:
        halt_or_go_on(tx, node.uuid, maintenance=new["maintenance"])
    tx.events.add("node.declared", f"as declared by {who}: {words}", node=node.uuid, who=who)
