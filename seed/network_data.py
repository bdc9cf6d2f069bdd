"""OpenStack's network_data.json of a host, from what is declared.

Schema: Nova, doc/source/user/metadata.rst; read by cloud-init's `sources/helpers/openstack.py`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from profiles.interfaces import DEFAULT, Bond, Interface, Route

Json = dict[str, Any]


class UnknownNIC(ValueError):
    """A NIC is declared by a name that the machine has not."""


def of_one_nic(
    mac: str, address: str | None = None, cidr: str = "", gateway: str | None = None, dns: Iterable[str] = ()
) -> Json:
    """One NIC, found by its MAC, with a static address in `cidr` or by DHCP."""
    interface: Json = {"name": "provisioning", "mac": mac, "dhcp4": address is None}
    if address is not None:
        interface["addresses"] = [f"{address}/{cidr.split('/')[1]}"]
        interface["routes"] = [{"via": gateway}] if gateway else []
        interface["dns"] = list(dns)
    built = of_interfaces([Interface.model_validate(interface)], {})
    for link in built["links"]:
        del link["name"]  # else cloud-init would rename the NIC
    return built


def of_interfaces(interfaces: Sequence[Interface], nics: Mapping[str, str]) -> Json:
    """All that is declared; `nics` are the machine's MACs by name. Raises UnknownNIC."""
    macs = _macs(interfaces, nics)
    networks = [network for each in interfaces for network in _networks(each)]
    servers = dict.fromkeys(server for interface in interfaces for server in interface.dns)
    return {
        "links": [_link(interface, macs) for interface in interfaces],
        "networks": [{"id": f"network{number}", **network} for number, network in enumerate(networks)],
        "services": [{"type": "dns", "address": server} for server in servers],
    }


def _macs(interfaces: Sequence[Interface], nics: Mapping[str, str]) -> dict[str, str]:
    """Of every interface; a bond has that of its first NIC, a VLAN that of what it is on."""
    macs = {each.name: each.mac or _known(each.name, nics) for each in interfaces if each.is_nic}
    macs |= {each.name: macs[each.bond.interfaces[0]] for each in interfaces if each.bond}
    return macs | {each.name: macs[each.vlan.link] for each in interfaces if each.vlan}


def _known(name: str, nics: Mapping[str, str]) -> str:
    if name not in nics:
        there = (
            ", ".join(f"{nic} ({mac})" for nic, mac in nics.items())
            or "none known: inspect it, or give the mac"
        )
        raise UnknownNIC(f"the machine has no NIC called '{name}'; it has {there}")
    return nics[name]


def _link(interface: Interface, macs: Mapping[str, str]) -> Json:
    mac = macs[interface.name]
    link: Json = {
        "id": interface.name,
        "name": interface.name,
        "ethernet_mac_address": mac,
        "mtu": interface.mtu,
    }
    if interface.bond:
        return {
            **link,
            "type": "bond",
            "bond_links": list(interface.bond.interfaces),
            **_bonding(interface.bond),
        }
    if interface.vlan:
        vlan = interface.vlan
        return {
            **link,
            "type": "vlan",
            "vlan_link": vlan.link,
            "vlan_id": int(vlan.id),
            "vlan_mac_address": mac,
        }
    return {**link, "type": "phy"}


def _bonding(bond: Bond) -> Json:
    given = bond.model_dump(exclude={"interfaces"}, exclude_none=True)
    return {f"bond_{key}": value for key, value in given.items()}


def _networks(interface: Interface) -> Iterator[Json]:
    """One for each address; routes are in the first of their family."""
    routes = {4: list(_routes(interface.routes, 4)), 6: list(_routes(interface.routes, 6))}
    for text in interface.addresses:
        family = ipaddress.ip_interface(text).version
        kind = f"ipv{family}"
        yield {"link": interface.name, "type": kind, "ip_address": text, "routes": routes[family]}
        routes[family] = []
    for family, wanted in ((4, interface.dhcp4), (6, interface.dhcp6)):
        if wanted:
            yield {"link": interface.name, "type": f"ipv{family}_dhcp", "routes": routes[family]}


def _routes(routes: Iterable[Route], family: int) -> Iterator[Json]:
    for route in routes:
        if ipaddress.ip_address(route.via).version == family:
            anywhere = "0.0.0.0/0" if family == 4 else "::/0"
            network = ipaddress.ip_network(anywhere if route.to == DEFAULT else route.to)
            where = {"network": str(network.network_address), "netmask": str(network.netmask)}
            yield {**where, "gateway": route.via}
