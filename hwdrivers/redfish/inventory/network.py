"""Network adapters and their ports: one NIC for each address that an operating system could use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from hwdrivers.inventory import NIC, Device
from hwdrivers.mac import normal_mac
from hwdrivers.redfish.inventory.found import Found, keys_of, merged, own
from hwdrivers.redfish.inventory.resource import Resource, labelled
from hwdrivers.redfish.inventory.values import gbps, link_mbps
from hwdrivers.told import told


@dataclass(frozen=True)
class Adapter:
    """A card or chip with its document, which may hold processors of its own."""

    resource: Resource
    found: Found[Device]
    nics: Sequence[NIC]


def read_adapters(system: Resource, chassis: Iterable[Resource]) -> list[Adapter]:
    """The adapters in these chassis, and those that the system's NetworkInterfaces lead to."""
    inside = [item for place in chassis for item in place.members("NetworkAdapters")]
    led_to = [
        item for nif in system.members("NetworkInterfaces") for item in nif.links("Links", "NetworkAdapter")
    ]
    unique = {item.path: item for item in (*inside, *led_to)}
    return [_adapter(name, item) for name, item in labelled(list(unique.values()), "Id") if item.present]


def read_nics(system: Resource, adapters: Iterable[Adapter]) -> list[NIC]:
    """The system's interfaces, with what its adapters know of the same MAC, and the adapters' other ports."""
    told = [Found(nic, _nic_keys(nic)) for nic in _interfaces(system)]
    told += [Found(nic, _nic_keys(nic)) for adapter in adapters for nic in adapter.nics]
    nics = [found.part for found in merged(told)]
    return [replace(nic, kind="Ethernet") if nic.kind is None and nic.mac else nic for nic in nics]


def _nic_keys(nic: NIC) -> frozenset[str]:
    return frozenset(filter(None, (nic.mac, nic.wwn)))


def _interfaces(system: Resource) -> Iterator[NIC]:
    for name, item in labelled(system.members("EthernetInterfaces")):
        if not item.present:
            continue
        mac = normal_mac(item.value("PermanentMACAddress")) or normal_mac(item.value("MACAddress"))
        addresses = [a.text("Address") for a in item.links("IPv4Addresses")]
        yield NIC(
            name=name,
            mac=mac,
            has_carrier=_carrier(item),
            ipv4=next((a for a in addresses if a and a != "0.0.0.0"), None),  # noqa: S104
            speed_mbps=link_mbps(item.value("SpeedMbps")),
            health=item.health,
        )


def _adapter(name: str, item: Resource) -> Adapter:
    controllers = item.links("Controllers")
    devices = [c.paths("Links", kind) for c in controllers for kind in ("PCIeDevices", "PCIeDevice")]
    device = Device(
        name=name,
        kind="NetworkController",
        vendor=item.text("Manufacturer"),
        model=item.text("Model"),
        part_number=item.text("PartNumber"),
        serial=item.text("SerialNumber"),
        firmware=next(filter(None, (c.text("FirmwarePackageVersion") for c in controllers)), None),
        health=item.health,
    )
    ports = item.members("Ports") or item.members("NetworkPorts")
    nics = [
        replace(nic, adapter=name, vendor=device.vendor, product=device.model, firmware=device.firmware)
        for nic in _functions(item, ports)
    ]
    return Adapter(item, Found(device, keys_of(item, *devices), own(item)), nics)


def _functions(item: Resource, ports: list[Resource]) -> list[NIC]:
    functions = [f for f in item.members("NetworkDeviceFunctions") if f.present]
    by_function = [_function(name, f, ports) for name, f in labelled(functions, "Id")]
    covered = {key for nic in by_function for key in _nic_keys(nic)}
    by_port = [nic for name, port in labelled(ports, "Id") for nic in _port_nics(name, port)]
    if not covered:
        return by_port or by_function
    # A port repeats the addresses of its functions; what is left are those that no function has.
    return by_function


def _function(name: str, item: Resource, ports: list[Resource]) -> NIC:
    port = _port_of(item, ports)
    mac = normal_mac(item.value("Ethernet", "PermanentMACAddress")) or normal_mac(
        item.value("Ethernet", "MACAddress")
    )
    return NIC(
        name=name,
        mac=mac,
        kind=_kind(item.text("NetDevFuncType")),
        wwn=item.text("FibreChannel", "PermanentWWPN")
        or item.text("FibreChannel", "WWPN")
        or item.text("InfiniBand", "PermanentPortGUID")
        or item.text("InfiniBand", "PortGUID"),
        has_carrier=_carrier(port),
        speed_mbps=_speed(port),
        health=item.health,
    )


def _port_of(item: Resource, ports: list[Resource]) -> Resource:
    links = ("PhysicalNetworkPortAssignment", "PhysicalPortAssignment")
    named = [item.link(*place, name) for place in ((), ("Links",)) for name in links]
    assignable = item.links("AssignablePhysicalNetworkPorts") or item.links("AssignablePhysicalPorts")
    only = assignable[:1] if len(assignable) == 1 else ports[:1] if len(ports) == 1 else []
    return next((port for port in [*named, *only] if port), item.link("nowhere"))


def _port_nics(name: str, port: Resource) -> Iterator[NIC]:
    addresses = port.value("AssociatedNetworkAddresses") or port.value("Ethernet", "AssociatedMACAddresses")
    macs = [normal_mac(a) for a in addresses] if isinstance(addresses, list) else []
    told_wwn = [told(a) for a in addresses] if isinstance(addresses, list) and not any(macs) else []
    for mac, number in list(zip(macs, told_wwn or [None] * len(macs), strict=True)) or [(None, None)]:
        yield NIC(
            name=name,
            mac=mac,
            kind=_kind(port.first("LinkNetworkTechnology", "ActiveLinkTechnology", "PortProtocol")),
            wwn=number,
            has_carrier=_carrier(port),
            speed_mbps=_speed(port),
            health=port.health,
        )


def _kind(word: str | None) -> str | None:
    """iDRAC 9 also tells "Disabled" for a function, which is no technology."""
    if word in ("iSCSI", "FibreChannelOverEthernet"):
        return "Ethernet"
    return word if word in ("Ethernet", "InfiniBand", "FibreChannel") else None


def _carrier(item: Resource) -> bool | None:
    states = {"LinkUp": True, "Up": True, "LinkDown": False, "Down": False, "NoLink": False}
    return states.get(str(item.value("LinkStatus")))


def _speed(port: Resource) -> int | None:
    links = port.links("SupportedLinkCapabilities")
    capable = [link_mbps(link.value("LinkSpeedMbps")) for link in links]
    if _carrier(port) is False:
        return None
    told_now = link_mbps(port.value("CurrentLinkSpeedMbps")) or gbps(port.value("CurrentSpeedGbps"))
    return told_now or (max(filter(None, capable), default=None) if _carrier(port) else None)
