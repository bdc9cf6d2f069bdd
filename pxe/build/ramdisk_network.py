#!/usr/bin/python3 -IS
"""Configures a ramdisk's network as OpenStack's network_data.json says, with nothing but iproute2.

This file itself is put into the ramdisk, at PATH, and run there as `ramdisk-network NETWORK_DATA.json`; so it
imports nothing but the standard library, and of that what Python starts quickly with. The interfaces that are
to be configured by DHCP it prints, one in each line: whoever starts it starts a client on them.

Format: https://docs.openstack.org/nova/latest/user/metadata.html, as Ironic checks it
(ironic/drivers/modules/network-data-schema.json). Links are NICs (found by their MAC), bonds and VLANs.
"""

# pathlib and subprocess are what Python starts slowly with.
# ruff: noqa: PTH123, PTH208, PTH108, S606
from __future__ import annotations

import json
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

PATH = "usr/lib/undercloud/ramdisk-network"  # where it lies in the ramdisk
MODULES = ("bonding", "8021q")  # kernel modules that the ramdisk must have kept
PATIENCE = 30.0  # seconds until the last NIC's driver has found it
RESOLV_CONF = "/etc/resolv.conf"


def mac_of(link: Document) -> str:
    return str(link.get("ethernet_mac_address", "")).lower()


def is_nic(link: Document) -> bool:
    """A link that is neither bond nor VLAN; clouds have many words for it besides phy."""
    return link["type"] not in ("bond", "vlan")


def names_of(links: list[Document], nics: dict[str, str]) -> dict[str, str]:
    """Link id → interface; `nics`: MAC → interface. A NIC that is not there is left out."""
    names = {link["id"]: nics[mac_of(link)] for link in links if is_nic(link) and mac_of(link) in nics}
    for kind in ("bond", "vlan"):
        found = [link["id"] for link in links if link["type"] == kind]
        names |= {identity: f"{kind}{number}" for number, identity in enumerate(found)}
    return names


def commands(data: Document, names: dict[str, str]) -> list[str]:
    """Lines for `ip -batch`, bonds before the VLANs that may lie on them."""
    links = data.get("links", [])
    known = [link for link in links if link["id"] in names]
    lines: list[str] = []
    for link in known:
        lines += bond(link, names) if link["type"] == "bond" else []
    for link in known:
        lines += vlan(link, names) if link["type"] == "vlan" else []
    for link in sorted(known, key=lambda link: link["type"] == "vlan"):  # what is below comes up first
        mtu = f" mtu {link['mtu']}" if link.get("mtu") else ""
        lines.append(f"link set dev {names[link['id']]}{mtu} up")
    for network in data.get("networks", []):
        if network["link"] in names:
            lines += addressing(network, names[network["link"]])
    return lines


def bond(link: Document, names: dict[str, str]) -> list[str]:
    """Linux takes members that are down only, and mode and policy before any member (bonding.rst)."""
    policy = link.get("bond_hash_policy") or link.get("bond_xmit_hash_policy")
    options = f"mode {link['bond_mode']} miimon {link.get('bond_miimon', 100)}"
    options += f" xmit_hash_policy {policy}" if policy else ""
    options += f" lacp_rate {link['bond_lacp_rate']}" if link.get("bond_lacp_rate") else ""
    name, own = names[link["id"]], mac_of(link)
    lines = [f"link add name {name}{' address ' + own if own else ''} type bond {options}"]
    for member in (names[identity] for identity in link["bond_links"] if identity in names):
        lines += [f"link set dev {member} down", f"link set dev {member} master {name}"]
    return lines


def vlan(link: Document, names: dict[str, str]) -> list[str]:
    below = names.get(link["vlan_link"])
    if below is None:
        return []
    own = str(link.get("vlan_mac_address", ""))
    own = f" address {own}" if own else ""
    return [f"link add link {below} name {names[link['id']]}{own} type vlan id {link['vlan_id']}"]


def addressing(network: Document, name: str) -> list[str]:
    """Addresses and routes; nothing for a network that a DHCP client or the router configures."""
    if network["type"] not in ("ipv4", "ipv6"):
        return []
    address = str(network["ip_address"])
    if "/" not in address:
        address += f"/{prefix_length(str(network['netmask']))}"
    # Nobody else may have an address that was given by hand: no time is lost with looking (RFC 4862 5.4).
    lines = [f"address replace {address} dev {name}{' nodad' if network['type'] == 'ipv6' else ''}"]
    routes = list(network.get("routes", []))
    if network.get("gateway"):
        routes.append({"network": "default", "gateway": network["gateway"]})
    return lines + [
        f"route replace {destination(route)} via {route['gateway']} dev {name} onlink" for route in routes
    ]


def destination(route: Document) -> str:
    where = str(route["network"])
    return where if "/" in where or where == "default" else f"{where}/{prefix_length(str(route['netmask']))}"


def prefix_length(netmask: str) -> int:
    """Of 255.255.255.0, of ffff:ffff::, and of 24."""
    if ":" in netmask:
        return sum(bin(int(group, 16)).count("1") for group in netmask.split(":") if group)
    if "." in netmask:
        return sum(bin(int(byte)).count("1") for byte in netmask.split("."))
    return int(netmask)


def name_servers(data: Document) -> list[str]:
    services = [*data.get("services", [])]
    for network in data.get("networks", []):
        services += network.get("services", [])
    found = [service["address"] for service in services if service.get("type") == "dns"]
    return list(dict.fromkeys(found))


def by_dhcp(data: Document, names: dict[str, str]) -> list[str]:
    asked = [n["link"] for n in data.get("networks", []) if n["type"] in ("ipv4_dhcp", "ipv6_dhcp")]
    return list(dict.fromkeys(names[link] for link in asked if link in names))


def nics() -> dict[str, str]:
    """MAC → interface, of all that are there now."""
    found = {}
    for name in sorted(os.listdir("/sys/class/net")):
        try:
            with open(f"/sys/class/net/{name}/address", encoding="ascii") as file:
                found[file.read().strip()] = name
        except OSError:
            continue  # it is gone again, or is no interface (bonding_masters)
    return found


def missing(links: list[Document], there: dict[str, str]) -> list[str]:
    return [mac_of(link) for link in links if is_nic(link) and mac_of(link) not in there]


def found(links: list[Document], patience: float) -> dict[str, str]:
    """The NICs, once all that are named are there, or `patience` seconds are over."""
    until = time.monotonic() + patience
    while missing(links, nics()) and time.monotonic() < until:
        time.sleep(0.1)
    return nics()


def load_modules(links: list[Document]) -> None:
    """Without its own bond0, which the module makes unless it is told not to."""
    kinds = {link["type"] for link in links}
    if "bond" in kinds:
        started("modprobe", "-q", "bonding", "max_bonds=0")
    if "vlan" in kinds:
        started("modprobe", "-q", "8021q")


def started(*argv: str) -> int:
    try:
        return os.spawnvp(os.P_WAIT, argv[0], argv)
    except OSError:
        return 127


def ip(lines: list[str], batch: str) -> int:
    """Everything that can be done is; what cannot is told on the console by iproute2."""
    with open(batch, "w", encoding="ascii") as file:
        file.write("".join(f"{line}\n" for line in lines))
    try:
        return started("ip", "-force", "-batch", batch)
    finally:
        os.unlink(batch)


def configure(data: Document, patience: float = PATIENCE, resolv_conf: str = RESOLV_CONF) -> bool:
    """Whether all could be done as it is written."""
    links = data.get("links", [])
    there = found(links, patience)
    lacking = missing(links, there)
    if lacking:
        seen = ", ".join(f"{name} {mac}" for mac, name in there.items())
        print(f"ramdisk-network: no NIC has MAC {', '.join(lacking)}; there are: {seen}", file=sys.stderr)
    load_modules(links)
    names = names_of(links, there)
    done = ip(commands(data, names), f"/run/ramdisk-network-{os.getpid()}")
    servers = name_servers(data)
    if servers:
        with open(resolv_conf, "w", encoding="ascii") as file:
            file.write("".join(f"nameserver {server}\n" for server in servers))
    print("\n".join(by_dhcp(data, names)))
    return done == 0 and not lacking


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        data = json.load(file)
    sys.exit(0 if configure(data) else 1)


if __name__ == "__main__":
    main()
