"""Which network a node's ramdisk is told, as network_data.json; without any it asks by DHCP."""

from __future__ import annotations

from profiles.hosts import Host
from profiles.site import AmbiguousProfile, NoProfile, Site
from seed.model import Document, Node
from seed.network_data import of_interfaces, of_one_nic
from seed.rendering import NotRenderable, nics, rendered


def network_of(node: Node, site: Site, *, dhcp: bool) -> Document | None:
    """What was set for the node; where nobody answers DHCP, else what its declaration says of its host."""
    if node.ramdisk_network is not None or dhcp:
        return node.ramdisk_network
    try:
        host = rendered(node, site.host_for(node.facts()))
    except (NoProfile, AmbiguousProfile, NotRenderable):
        return None
    return _of(host, node, site)


def _of(host: Host, node: Node, site: Site) -> Document | None:
    if host.interfaces:
        return of_interfaces(host.interfaces, nics(node))
    network, mac = site.networks.get(host.network), host.macs[0] if host.macs else node.boot_mac
    if host.address is None or network is None or mac is None:
        return None
    return of_one_nic(mac, host.address, network.cidr, network.gateway, network.dns)
