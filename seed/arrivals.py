"""Machines of no node that report from the ramdisk: each becomes a node in `enroll`, once."""

from __future__ import annotations

import threading
from dataclasses import replace

from hwdrivers.address import BMCAddress
from hwdrivers.inventory import Inventory
from hwdrivers.told import told_uuid
from seed.declarations import Declarations, new_node
from seed.model import Node
from seed.recognition import may_join, owner
from seed.store import Store, Transaction

DEFAULT_CREDENTIALS = "default"
NOWHERE = "invalid"  # RFC 2606: no BMC will ever answer under it


class Arrivals:
    """Enrols; a machine whose MAC, BMC, system UUID or serial number a node has is that node."""

    def __init__(self, store: Store, declarations: Declarations, *, inspects: bool) -> None:
        self._store = store
        self._declarations = declarations
        self._inspects = inspects
        self._one_at_a_time = threading.Lock()

    def node_of(self, inventory: Inventory, system_uuid: str | None, address: str) -> Node | None:
        """The node that reports from `address`, enrolled just now if it was none; None: it stays a stranger.

        Raises Conflict where it is two nodes' at once.
        """
        macs = tuple(dict.fromkeys(nic.mac for nic in inventory.nics if nic.mac))
        with self._one_at_a_time:
            with self._store.write() as tx:
                known = owner(tx, macs, system_uuid, inventory.serial) or _by_bmc(tx, inventory)
                if known is not None:
                    _learn(tx, known, macs)
                    return tx.nodes.get(known.uuid)
                credentials = _credentials(tx)
            if not self._inspects or not macs:
                return None
            return self._enroll(inventory, macs, told_uuid(system_uuid), address, credentials)

    def _enroll(
        self,
        inventory: Inventory,
        macs: tuple[str, ...],
        system_uuid: str | None,
        address: str,
        credentials: str | None,
    ) -> Node:
        boot_mac = inventory.boot_mac if inventory.boot_mac in macs else macs[0]
        name = f"machine-{boot_mac.replace(':', '')}"
        bmc = BMCAddress(inventory.bmc_address or f"{name}.{NOWHERE}")
        node = replace(
            new_node(bmc, credentials or "", name, macs),
            vendor=inventory.vendor,
            model=inventory.product,
            serial=inventory.serial,
            system_uuid=system_uuid,
            boot_mode=inventory.boot_mode.value if inventory.boot_mode else None,
            inventory=None,
            last_error=_missing(name, inventory.bmc_address, credentials),
        )
        enrolled = self._declarations.enroll(node, f"the ramdisk at {address}")
        with self._store.write() as tx:
            tx.nodes.update(enrolled.uuid, inventory=inventory)
        return enrolled


def _by_bmc(tx: Transaction, inventory: Inventory) -> Node | None:
    """The one node whose BMC has the address that the ramdisk read."""
    if inventory.bmc_address is None:
        return None
    found = [node for node in tx.nodes.all() if BMCAddress.parse(node.bmc).host == inventory.bmc_address]
    return found[0] if len(found) == 1 else None


def _learn(tx: Transaction, node: Node, macs: tuple[str, ...]) -> None:
    """Of a node that is known by other things; of one that its MACs tell, the run that inspects it does."""
    if may_join(node) and not set(macs) & set(node.macs):
        tx.nodes.update(node.uuid, macs=(*node.macs, *macs))


def _credentials(tx: Transaction) -> str | None:
    """Those named `default`, else the only ones."""
    names = tx.credentials.names()
    if DEFAULT_CREDENTIALS in names:
        return DEFAULT_CREDENTIALS
    return names[0] if len(names) == 1 else None


def _missing(name: str, bmc: str | None, credentials: str | None) -> str | None:
    """What an operator has to give before the node can be managed."""
    steps = []
    if bmc is None:
        steps.append(
            f"its ramdisk could not read the BMC's address: undercloud node set {name} --bmc ADDRESS"
        )
    if credentials is None:
        steps.append(
            "no credentials are named 'default': undercloud credentials add, then "
            f"undercloud node set {name} --credentials NAME"
        )
    return "; ".join(steps) or None
