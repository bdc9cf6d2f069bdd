"""The managers of a service: BMCs, enclosure managers, those of a baseboard or a SmartNIC."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hwdrivers.inventory import Manager
from hwdrivers.mac import normal_mac
from hwdrivers.redfish.inventory.resource import Resource, labelled


def managers_of(system: Resource, systems: Sequence[Resource], every: Sequence[Resource]) -> list[Resource]:
    """Those that the system names, that name it, or that name no system at all (enclosure managers)."""
    if len(systems) <= 1:
        return list(every) or system.links("Links", "ManagedBy")
    named = {item.path: item for item in system.links("Links", "ManagedBy")}
    theirs = {path for other in systems for path in other.paths("Links", "ManagedBy")}
    for item in every:
        served = item.paths("Links", "ManagerForServers")
        if system.path in served or (not served and item.path not in theirs):
            named[item.path] = item
    return list(named.values())


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
        gateway=_told(nic, "IPv4Addresses", "Gateway"),
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
    return _told(nic, name, "Address")


def _told(nic: Resource, name: str, field: str) -> str | None:
    """The first that is one: 0.0.0.0 and :: are "none" in the words of BMCs."""
    addresses = [item.text(field) for item in nic.links(name)]
    return next((a for a in addresses if a and a.strip("0.:/")), None)
