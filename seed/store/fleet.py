"""What is to be known of many nodes at once: lean rows, without inventories."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from seed.lifecycle import DECOMMISSIONED
from seed.model import Bootable, NextBoot, PowerPolicy, Watched, boot_mac_of, facts_of
from seed.store import tables
from seed.store.errors import NotFound

_NODE = tables.node.c
_RUN = tables.run.c
_WATCHED = [_NODE[field.name] for field in fields(Watched) if field.name != "last_run"]

_SUMMARY = [
    _NODE[name]
    for name in (
        *("uuid", "name", "bmc", "power", "expected_power", "state", "target_state", "next_boot"),
        *("maintenance", "fault", "retired", "protected", "vendor", "model", "serial", "last_error"),
    )
]
_UNDER_WAY = [
    _RUN[name].label(f"run_{name}")
    for name in ("id", "verb", "state", "steps", "cursor", "attempt", "reason")
]


class Fleet:
    """Reads all nodes, or many; changes nothing."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def watched(self, besides: Collection[str], uuids: Sequence[str] | None = None) -> list[Watched]:
        """Nodes whose power nobody is changing: no run, no person. `besides`: states that do not count.

        `uuids`: of these alone.
        """
        own = sa.select(_RUN.id).where(_RUN.node == _NODE.uuid)
        last = sa.select(sa.func.max(_RUN.id)).where(_RUN.node == _NODE.uuid).scalar_subquery()
        wanted = sa.select(*_WATCHED, last.label("last_run")).where(
            sa.not_(_NODE.maintenance),
            _NODE.state.not_in(besides),
            sa.not_(own.where(tables.UNDER_WAY).exists()),
        )
        if uuids is not None:
            wanted = wanted.where(_NODE.uuid.in_(uuids))
        rows = self._connection.execute(wanted).mappings()
        return [Watched(**{**row, "power_policy": PowerPolicy(row["power_policy"])}) for row in rows]

    def bootable(self) -> list[Bootable]:
        """What DHCP is to know of all nodes that may ever boot again, by name."""
        ports = self._connection.execute(sa.select(tables.port).order_by(tables.port.c.mac))
        macs: dict[str, list[str]] = {}
        for port in ports:
            macs.setdefault(port.node, []).append(port.mac)
        seen = _NODE.inventory["boot_mac"].as_string().label("seen")
        facts = (_NODE.bmc, _NODE.serial, _NODE.name, _NODE.vendor, _NODE.model)
        boot = (_NODE.next_boot, _NODE.system_uuid, _NODE.secure_boot)
        wanted = sa.select(_NODE.uuid, *facts, *boot, seen).where(_NODE.state != DECOMMISSIONED)
        found = []
        for row in self._connection.execute(wanted.order_by(_NODE.name)):
            own = tuple(macs.get(row.uuid, ()))
            matched = facts_of(row.bmc, row.serial, row.name, row.vendor, row.model)
            found.append(
                Bootable(
                    uuid=row.uuid,
                    name=row.name,
                    macs=own,
                    boot_mac=boot_mac_of(own, row.seen),
                    facts=matched,
                    next_boot=NextBoot(row.next_boot),
                    system_uuid=row.system_uuid,
                    secure_boot=row.secure_boot,
                )
            )
        return found

    def columns(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """These columns of the summary, for each node by name; raises NotFound for one that is not in it."""
        there = {column.name: column for column in _SUMMARY}
        unknown = [name for name in names if name not in there]
        if unknown:
            raise NotFound(f"no field {', '.join(unknown)}; there are: {', '.join(there)}")
        wanted = sa.select(*(there[name] for name in names)).order_by(_NODE.name)
        return [dict(row) for row in self._connection.execute(wanted).mappings()]

    def summaries(self) -> list[dict[str, Any]]:
        """One flat row for each node, by name, with what it is becoming and the run that is under way."""
        instance = {name: _NODE.instance[name].as_string().label(name) for name in ("address", "role")}
        joined = tables.node.outerjoin(tables.run, sa.and_(_RUN.node == _NODE.uuid, tables.UNDER_WAY))
        wanted = sa.select(*_SUMMARY, *instance.values(), *_UNDER_WAY).select_from(joined)
        return [dict(row) for row in self._connection.execute(wanted.order_by(_NODE.name)).mappings()]

    def names(self, uuids: Iterable[str | None]) -> dict[str, str]:
        """What these nodes are called, by UUID; one that is gone is left out."""
        wanted = sa.select(_NODE.uuid, _NODE.name).where(_NODE.uuid.in_({u for u in uuids if u}))
        return {row.uuid: row.name for row in self._connection.execute(wanted)}
