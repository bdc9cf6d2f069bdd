"""Is this the BMC of the machine that is meant? Asked before anything is done to it that cannot be undone."""

from __future__ import annotations

from uuid import UUID

from hwdrivers.bmc import Identity
from seed.model import Node


def stranger(node: Node, told: Identity) -> str | None:
    """Why what the BMC tells of itself belongs to another machine; None when nothing contradicts it."""
    known = {"serial": node.serial, "UUID": node.inventory.uuid if node.inventory else None}
    seen = {"serial": told.serial, "UUID": told.uuid}
    for what, same in (("serial", _same_text), ("UUID", _same_uuid)):
        ours, theirs = known[what], seen[what]
        if ours and theirs and not same(ours, theirs):
            return (
                f"the BMC at {node.bmc} is that of the machine with {what} {theirs}, and node "
                f"'{node.name}' has {ours}: nothing was done; correct the address, or enrol the machine anew"
            )
    return None


def _same_text(ours: str, theirs: str) -> bool:
    return ours.strip().lower() == theirs.strip().lower()


def _same_uuid(ours: str, theirs: str) -> bool:
    """In either byte order: SMBIOS 2.6 and IPMI write the first three fields the other way round."""
    try:
        one, other = UUID(ours), UUID(theirs)
    except ValueError:
        return _same_text(ours, theirs)
    return one in (other, UUID(bytes_le=other.bytes))
