"""What is declared for many, as it is for one node: templates filled in, NICs found."""

from __future__ import annotations

from typing import Any

from profiles.hosts import Host
from seed.model import Node
from seed.network_data import of_interfaces


class NotRenderable(ValueError):
    """The declaration cannot be carried out on this node; the message says which value, and why."""


def rendered(node: Node, host: Host) -> Host:
    """The host with all templates filled in; raises NotRenderable."""
    try:
        plain = host.rendered(facts(node))
        of_interfaces(plain.interfaces, nics(node))
    except ValueError as error:
        raise NotRenderable(f"node '{node.name}': {error}") from None
    return plain


def facts(node: Node) -> dict[str, Any]:
    """What templates may say of a node; what is not known is not there."""
    known = {
        "uuid": node.uuid,
        "name": node.name,
        "serial": node.serial,
        "system_uuid": node.system_uuid,
        "bmc": node.facts()["bmc"],
        "vendor": node.vendor,
        "model": node.model,
        "macs": list(node.macs),
        "boot_mac": node.boot_mac,
    }
    return {name: value for name, value in known.items() if value is not None}


def nics(node: Node) -> dict[str, str]:
    """The MACs of the machine by the names of its NICs, as its inventory tells them."""
    found = node.inventory.nics if node.inventory else ()
    return {nic.name: nic.mac for nic in found if nic.mac}
