"""Nodes, their ports and their ramdisk agents."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from hwdrivers.inventory import Inventory
from seed.model import Agent, BootInterface, Instance, NextBoot, Node, PowerPolicy, Standing
from seed.store import tables
from seed.store.errors import Conflict, NotFound

NAMED = 10  # of many nodes, when one is not there

_MOVE = (
    sa.update(tables.node)
    .where(tables.node.c.uuid == sa.bindparam("node_uuid"))
    .values(state=sa.bindparam("to"), target_state=sa.bindparam("target"))
)


class Nodes:
    """The machines that are enrolled."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, node: Node) -> None:
        """Enrol a machine; raises Conflict when its name, BMC or a MAC is taken."""
        for column, value in (("name", node.name), ("bmc", node.bmc)):
            self._refuse_taken(column, value, node.uuid)
        values = {
            key: value for key, value in asdict(node).items() if key not in ("macs", "inventory", "instance")
        }
        self._connection.execute(sa.insert(tables.node).values(values))
        self.set_macs(node.uuid, node.macs)

    def get(self, key: str) -> Node:
        """The node of this UUID or name; raises NotFound."""
        node = self._find(sa.or_(tables.node.c.uuid == key, tables.node.c.name == key))
        if node is None:
            raise NotFound(f"no node '{key}'; there are: {self._some_names() or 'none'}")
        return node

    def _some_names(self) -> str:
        names = sa.select(tables.node.c.name).order_by(tables.node.c.name).limit(NAMED + 1)
        known = list(self._connection.execute(names).scalars())
        return ", ".join(known[:NAMED]) + (", ..." if len(known) > NAMED else "")

    def all(self) -> list[Node]:
        """Every node, by name."""
        return self._some()

    def many(self, uuids: Iterable[str]) -> dict[str, Node]:
        """These nodes, by UUID; one that is gone is left out."""
        wanted = list(uuids)
        some = self._some(tables.node.c.uuid.in_(wanted)) if wanted else []
        return {node.uuid: node for node in some}

    def named(self, keys: Sequence[str]) -> dict[str, Node]:
        """The nodes with these UUIDs or names, by what was asked; one that is not there is left out."""
        either = sa.or_(tables.node.c.uuid.in_(keys), tables.node.c.name.in_(keys))
        found = self._some(either)
        by_key = {node.name: node for node in found} | {node.uuid: node for node in found}
        return {key: by_key[key] for key in keys if key in by_key}

    def standings(self, uuids: Iterable[str]) -> dict[str, Standing]:
        """Where these nodes stand in the graph, by UUID."""
        node = tables.node.c
        rows = sa.select(node.uuid, node.state, node.retired, node.maintenance).where(
            node.uuid.in_(list(uuids))
        )
        return {row.uuid: Standing(*row) for row in self._connection.execute(rows)}

    def _some(self, *criteria: sa.ColumnElement[bool]) -> list[Node]:
        macs: dict[str, list[str]] = {}
        ports = sa.select(tables.port.c.node, tables.port.c.mac).order_by(tables.port.c.mac)
        if criteria:
            ports = ports.join(tables.node, tables.node.c.uuid == tables.port.c.node).where(*criteria)
        for port in self._connection.execute(ports):
            macs.setdefault(port.node, []).append(port.mac)
        rows = self._connection.execute(sa.select(tables.node).where(*criteria).order_by(tables.node.c.name))
        return [_node(row._mapping, macs.get(row.uuid, ())) for row in rows]

    def by_bmc(self, bmc: str) -> Node | None:
        return self._find(tables.node.c.bmc == bmc)

    def by_hardware(self, *, system_uuids: Collection[str] = (), serial: str | None = None) -> list[Node]:
        """The nodes of these SMBIOS UUIDs, or of this serial number: several where vendors are sloppy."""
        if system_uuids:
            return self._some(tables.node.c.system_uuid.in_(list(system_uuids)))
        return self._some(tables.node.c.serial == serial) if serial else []

    def by_macs(self, macs: Iterable[str]) -> Node | None:
        """The one node that owns any of `macs`; Conflict when they belong to several."""
        owner = sa.select(tables.port.c.node).where(tables.port.c.mac.in_(list(macs))).distinct()
        owners = list(self._connection.execute(owner).scalars())
        if len(owners) > 1:
            names = ", ".join(sorted(self.get(uuid).name for uuid in owners))
            raise Conflict(f"the MACs {', '.join(macs)} belong to several nodes: {names}")
        return self.get(owners[0]) if owners else None

    def set_macs(self, uuid: str, macs: Iterable[str]) -> None:
        """Replace a node's ports; raises Conflict naming the other owner of a MAC."""
        wanted = tuple(dict.fromkeys(mac.lower() for mac in macs))
        for mac in wanted:
            owner = self.by_macs([mac])
            if owner is not None and owner.uuid != uuid:
                raise Conflict(f"MAC {mac} belongs to node '{owner.name}' already; one of the two is wrong")
        self._connection.execute(sa.delete(tables.port).where(tables.port.c.node == uuid))
        for mac in wanted:
            self._connection.execute(sa.insert(tables.port).values(mac=mac, node=uuid))

    def update(self, uuid: str, **facts: Any) -> None:
        """Save facts about a node, ports included (Conflict); its state is moved by `move` alone."""
        macs = facts.pop("macs", None)
        if macs is not None:
            self.set_macs(uuid, macs)
        if "name" in facts:
            self._refuse_taken("name", facts["name"], uuid)
        if not facts:
            return
        if "inventory" in facts and facts["inventory"] is not None:
            facts["inventory"] = facts["inventory"].to_dict()
        if "instance" in facts and facts["instance"] is not None:
            facts["instance"] = asdict(facts["instance"])
        self._connection.execute(sa.update(tables.node).where(tables.node.c.uuid == uuid).values(**facts))

    def move(self, node: Node, state: str, target_state: str | None) -> None:
        """Write a node's provision state; raises Conflict when it moved since `node` was read."""
        moved = self._connection.execute(
            sa.update(tables.node)
            .where(tables.node.c.uuid == node.uuid, tables.node.c.state == node.state)
            .values(state=state, target_state=target_state)
        )
        if moved.rowcount != 1:
            raise Conflict(f"node '{node.name}' is not in state '{node.state}' any more")

    def clear_errors(self, uuids: Sequence[str]) -> None:
        """What went wrong before is not what is asked now."""
        gone = sa.update(tables.node).where(tables.node.c.uuid.in_(uuids)).values(last_error=None)
        self._connection.execute(gone)

    def move_many(self, moves: Mapping[str, tuple[str, str | None]]) -> None:
        """Write the states of nodes whose runs the caller has: UUID to state and target state."""
        rows = [{"node_uuid": uuid, "to": to, "target": target} for uuid, (to, target) in moves.items()]
        if rows:
            self._connection.execute(_MOVE, rows)

    def remove(self, uuid: str) -> None:
        self._connection.execute(sa.delete(tables.node).where(tables.node.c.uuid == uuid))

    def agent(self, uuid: str) -> Agent | None:
        """The agent that runs in the node's ramdisk, as far as it is known."""
        row = self._connection.execute(
            sa.select(tables.agent).where(tables.agent.c.node == uuid)
        ).one_or_none()
        return _agent(row._mapping) if row else None

    def put_agent(self, agent: Agent) -> None:
        self.drop_agent(agent.node)
        values = {**asdict(agent), "report": agent.report.to_dict() if agent.report else None}
        self._connection.execute(sa.insert(tables.agent).values(values))

    def drop_agent(self, uuid: str) -> None:
        self._connection.execute(sa.delete(tables.agent).where(tables.agent.c.node == uuid))

    def _refuse_taken(self, column: str, value: str, uuid: str) -> None:
        taken = self._find(tables.node.c[column] == value)
        if taken is not None and taken.uuid != uuid:
            raise Conflict(f"{column} {value} is node '{taken.name}' already")

    def _find(self, criterion: sa.ColumnElement[bool]) -> Node | None:
        row = self._connection.execute(sa.select(tables.node).where(criterion)).one_or_none()
        if row is None:
            return None
        ports = sa.select(tables.port.c.mac).where(tables.port.c.node == row.uuid).order_by(tables.port.c.mac)
        return _node(row._mapping, self._connection.execute(ports).scalars())


def _node(row: Any, macs: Iterable[str]) -> Node:
    values = dict(row)
    values["next_boot"] = NextBoot(values["next_boot"])
    values["boot_interface"] = BootInterface(values["boot_interface"])
    values["power_policy"] = PowerPolicy(values["power_policy"])
    values["inventory"] = Inventory.from_dict(values["inventory"]) if values["inventory"] else None
    values["instance"] = Instance(**values["instance"]) if values["instance"] else None
    return Node(**values, macs=tuple(macs))


def _agent(row: Any) -> Agent:
    return Agent(**{**row, "report": Inventory.from_dict(row["report"]) if row["report"] else None})
