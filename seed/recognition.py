"""Which node a machine is that tells its MACs, and what SMBIOS says of it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hwdrivers.told import told, told_uuid
from seed.lifecycle import ENROLL
from seed.model import NextBoot, Node
from seed.store import Transaction


def owner(
    tx: Transaction, macs: Sequence[str], system_uuid: str | None = None, serial: str | None = None
) -> Node | None:
    """The node with one of these MACs, else of this system UUID, else of this serial number.

    What several nodes share tells nothing; nor does the serial number of a node with another UUID: blades
    tell that of their chassis. Raises Conflict where the MACs belong to several nodes.
    """
    found = tx.nodes.by_macs(macs) if macs else None
    if found is not None:
        return found
    uuids = both_orders(system_uuid)
    by_uuid = tx.nodes.by_hardware(system_uuids=uuids)
    if len(by_uuid) == 1:
        return by_uuid[0]
    by_serial = tx.nodes.by_hardware(serial=told(serial))
    if len(by_serial) != 1 or (uuids and by_serial[0].system_uuid not in (None, *uuids)):
        return None
    return by_serial[0]


def may_join(node: Node) -> bool:
    """Whether a NIC that is not known becomes the node's by what SMBIOS says.

    Only where a ramdisk is to report: else whoever knows the serial number of a host that runs could join it.
    """
    return not node.macs or node.state == ENROLL or node.next_boot is NextBoot.RAMDISK


def both_orders(system_uuid: str | None) -> tuple[str, ...]:
    """The UUID, and with its first three fields swapped; () for none.

    Until SMBIOS 2.6 (DSP0134 section 7.2.1) nothing said in which order these are: a BMC and iPXE of the same
    machine may differ.
    """
    plain = told_uuid(system_uuid)
    return (plain, str(UUID(bytes=UUID(plain).bytes_le))) if plain else ()
