"""What must be so before anything is changed."""

from __future__ import annotations

from collections.abc import Container
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from bootstrap.listening import network_socket
from bootstrap.provisioning import Provisioning
from hwdrivers.local import LocalNIC, list_nics, local_nic


class PreflightFailed(RuntimeError):
    """Something of this machine is not as the configuration needs it."""


def provisioning_candidate() -> LocalNIC:
    """The one interface that machines could boot from; raises PreflightFailed when it is none or several.

    It has an IPv4 address, hardware or a bridge behind it, and is not how this machine reaches the rest of
    the world: another DHCP server is likely to answer there.
    """
    found = [n for n in list_nics() if _v4(n) and (n.bridge or not n.virtual) and n.name != _outward()]
    if len(found) == 1:
        return found[0]
    if not found:
        raise PreflightFailed(
            "no interface looks like a provisioning network (an IPv4 address, no default route): give one "
            "an address, or name it with --interface"
        )
    listed = ", ".join(f"{nic.name} ({_addresses(nic)})" for nic in found)
    raise PreflightFailed(
        f"several interfaces could be the provisioning network: {listed}; name one: --interface"
    )


def seed_address(interface: str, network: IPv4Network | None) -> IPv4Interface:
    """The address of `interface` (in `network`, if given); raises PreflightFailed or UnknownInterface."""
    nic = local_nic(interface)
    for address in _v4(nic):
        if network is None:
            return address
        if address.ip in network:
            return IPv4Interface(f"{address.ip}/{network.prefixlen}")
    where = f" in {network}" if network else ""
    advice = f"{network[1]}/{network.prefixlen}" if network else "192.0.2.1/24"
    raise PreflightFailed(
        f"interface {interface} has no IPv4 address{where} (it has: {_addresses(nic)}); give it one: "
        f"ip address add {advice} dev {interface}"
    )


def check_interface(provisioning: Provisioning) -> None:
    """The interface is there and has the configured address; raises PreflightFailed or UnknownInterface."""
    nic = local_nic(provisioning.interface)
    if provisioning.address.ip not in [address.ip for address in _v4(nic)]:
        raise PreflightFailed(
            f"interface {nic.name} does not have the address {provisioning.address} (it has: "
            f"{_addresses(nic)}); give it: ip address add {provisioning.address} dev {nic.name}"
        )


def check_ports(provisioning: Provisioning, held: Container[int] = ()) -> None:
    """The HTTP ports are free, but for what this seed itself has `held` so far; raises CannotListen."""
    for port in provisioning.ports:
        if port not in held:
            network_socket(str(provisioning.machines_address), port).close()


def _outward() -> str | None:
    """The interface of the IPv4 default route (/proc/net/route: destination and mask 0)."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == "00000000" and fields[7] == "00000000":
            return fields[0]
    return None


def _v4(nic: LocalNIC) -> list[IPv4Interface]:
    return [IPv4Interface(address) for address in nic.addresses if ":" not in address]


def _addresses(nic: LocalNIC) -> str:
    return ", ".join(nic.addresses) or "none"
