"""What must be so before anything is changed."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from bootstrap.config import Provisioning
from hwdrivers.local import LocalNIC, local_nic


class PreflightFailed(RuntimeError):
    """Something of this machine is not as the configuration needs it."""


def seed_address(interface: str, network: IPv4Network) -> IPv4Address:
    """The address that `interface` has in `network`; raises PreflightFailed or UnknownInterface."""
    nic = local_nic(interface)
    for address in _v4(nic):
        if address.ip in network:
            return address.ip
    raise PreflightFailed(
        f"interface {interface} has no address in {network} (it has: {_addresses(nic)}); give it one: "
        f"ip address add {network[1]}/{network.prefixlen} dev {interface}"
    )


def check_interface(provisioning: Provisioning) -> None:
    """The interface is there and has the configured address; raises PreflightFailed or UnknownInterface."""
    nic = local_nic(provisioning.interface)
    if provisioning.address.ip not in [address.ip for address in _v4(nic)]:
        raise PreflightFailed(
            f"interface {nic.name} does not have the address {provisioning.address} (it has: "
            f"{_addresses(nic)}); give it: ip address add {provisioning.address} dev {nic.name}"
        )


def _v4(nic: LocalNIC) -> list[IPv4Interface]:
    return [IPv4Interface(address) for address in nic.addresses if ":" not in address]


def _addresses(nic: LocalNIC) -> str:
    return ", ".join(nic.addresses) or "none"
