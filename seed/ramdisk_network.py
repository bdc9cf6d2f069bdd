"""Which network a node's ramdisk is told; without any it asks by DHCP."""

from __future__ import annotations

from seed.model import Document, Node


def network_of(node: Node) -> Document | None:
    """What was set for the node."""
    return node.ramdisk_network
