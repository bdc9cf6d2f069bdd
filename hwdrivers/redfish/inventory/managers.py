"""The managers of a service: BMCs, enclosure managers, those of a baseboard or a SmartNIC."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hwdrivers.inventory import Manager
from hwdrivers.mac import normal_mac
from hwdrivers.redfish.inventory.resource import Resource, labelled


def managers_of(system: Resource, every: Sequence[Resource], *, alone: bool) -> list[Resource]:
    """Those that the system names, and those that name it; all of them where the service has one system."""
    if alone and every:
        return list(every)
    named = {item.path: item for item in system.links("Links", "ManagedBy")}
    naming = {m.path: m for m in every if system.path in m.paths("Links", "ManagerForServers")}
    return list((named | naming).values())


def read_managers(items: Iterable[Resource]) -> list[Manager]:
    return [_manager(name, item) for name, item in labelled([item for item in items if item.present], "Id")]


def _manager(name: str, item: Resource) -> Manager:
    nics = [nic for nic in item.members("EthernetInterfaces") if nic.present]
    nic = max(nics, key=_reachable, default=item.link("nowhere"))
    return Manager(
        name=name,
        kind=item.text("ManagerType"),
        model=item.text("Model"),
        firmware=item.text("FirmwareVersion"),
        mac=normal_mac(nic.value("PermanentMACAddress")) or normal_mac(nic.value("MACAddress")),
        ipv4=_address(nic, "IPv4Addresses"),
        ipv6=_address(nic, "IPv6Addresses"),
        gateway=next(filter(None, (a.text("Gateway") for a in nic.links("IPv4Addresses"))), None),
        vlan=nic.positive("VLAN", "VLANId") if nic.value("VLAN", "VLANEnable") is True else None,
        hostname=nic.first("FQDN", "HostName"),
        health=item.health,
    )


def _reachable(nic: Resource) -> int:
    """Of several interfaces (dedicated, shared, USB to the host) the one that most speaks for."""
    address = _address(nic, "IPv4Addresses") or ""
    usable = bool(address) and not address.startswith(("169.254.", "127."))
    enabled = nic.value("InterfaceEnabled") is not False and nic.value("Status", "State") != "Disabled"
    return 4 * usable + 2 * enabled + bool(normal_mac(nic.value("MACAddress")))


def _address(nic: Resource, name: str) -> str | None:
    addresses = [item.text("Address") for item in nic.links(name)]
    return next((a for a in addresses if a and a not in ("0.0.0.0", "::", "::/0")), None)  # noqa: S104
