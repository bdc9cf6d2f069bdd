"""The network that machines boot from, as it is configured."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import combinations
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from profiles.document import Strict
from pxe.dnsmasq import DHCPMode, ProvisioningNetwork, Subnet
from pxe.firmware import UEFILoader

DEFAULT_HTTP_PORT = 8080

AddressRange = tuple[IPv4Address, IPv4Address]


class UnknownMachines(StrEnum):
    """What becomes of a machine that asks and is not enrolled."""

    IGNORE = "ignore"
    INSPECT = "inspect"


class RelayedSubnet(Strict):
    """A network whose router relays DHCP to the seed (RFC 2131 section 4.1)."""

    network: IPv4Network
    router: IPv4Address
    dhcp_range: AddressRange

    @model_validator(mode="after")
    def _fits(self) -> RelayedSubnet:
        _check_range(self.dhcp_range, self.network)
        if self.router not in self.network:
            raise ValueError(f"router {self.router} is not in {self.network}")
        if self.dhcp_range[0] <= self.router <= self.dhcp_range[1]:
            raise ValueError(f"dhcp_range contains the router {self.router}")
        return self

    def subnet(self) -> Subnet:
        return Subnet(self.network, self.router, *self.dhcp_range)


class Provisioning(Strict):
    """That network, and how DHCP is done there (docs/booting.md).

    `address` is this seed's own. Seeds that share a store share a `service_address` too.
    """

    interface: str
    address: IPv4Interface
    dhcp: DHCPMode = DHCPMode.SERVER
    dhcp_range: AddressRange | None = None
    subnets: tuple[RelayedSubnet, ...] = ()
    embedded_tftp: bool = False
    """With `dhcp: none`: serve loaders by TFTP all the same, for a site's DHCP server that names them."""
    uefi_loader: UEFILoader = UEFILoader.IPXE
    unknown_machines: UnknownMachines = UnknownMachines.IGNORE
    http_port: int = Field(default=DEFAULT_HTTP_PORT, ge=1, le=65535)
    files_port: int | None = Field(default=None, ge=1, le=65535)
    """Where kernel, ramdisk and images are fetched; None: the port beside `http_port`."""
    service_address: IPv4Address | None = None
    media_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@]+$")] | None = None
    """Where BMCs reach the seed's HTTP port, if not as machines do; such as https://proxy.bmc.example."""

    @model_validator(mode="after")
    def _range_inside(self) -> Provisioning:
        if self.dhcp_range is None:
            return self
        _check_range(self.dhcp_range, self.address.network)
        first, last = self.dhcp_range
        if first <= self.address.ip <= last:
            raise ValueError(f"dhcp_range {first}-{last} contains the seed's own address {self.address.ip}")
        return self

    @model_validator(mode="after")
    def _ranges_as_the_mode_needs(self) -> Provisioning:
        if self.dhcp is DHCPMode.SERVER and self.dhcp_range is None:
            raise ValueError("dhcp_range: the addresses to lease are needed, since `dhcp` is server")
        if self.dhcp is DHCPMode.RELAY and not self.subnets:
            raise ValueError("subnets: the networks behind relays are needed, since `dhcp` is relay")
        if self.subnets and self.dhcp is not DHCPMode.RELAY:
            raise ValueError(f"subnets are behind relays, but `dhcp` is {self.dhcp}; write `dhcp: relay`")
        if self.dhcp_range and self.dhcp in (DHCPMode.PROXY, DHCPMode.NONE):
            raise ValueError(f"dhcp_range: nothing is leased, since `dhcp` is {self.dhcp}; leave it out")
        return self

    @model_validator(mode="after")
    def _networks_apart(self) -> Provisioning:
        for one, other in combinations((self.address.network, *(each.network for each in self.subnets)), 2):
            if one.overlaps(other):
                raise ValueError(f"subnets: {other} overlaps {one}; each network has one router")
        return self

    @model_validator(mode="after")
    def _two_ports(self) -> Provisioning:
        if self.files_port == self.http_port:
            raise ValueError(f"files_port {self.files_port} must be another port than http_port")
        return self

    @model_validator(mode="after")
    def _one_tftp_server(self) -> Provisioning:
        if self.embedded_tftp and self.dhcp is not DHCPMode.NONE:
            raise ValueError(f"embedded_tftp: dnsmasq serves TFTP, since `dhcp` is {self.dhcp}; leave it out")
        return self

    @model_validator(mode="after")
    def _answers_strangers(self) -> Provisioning:
        if self.dhcp is DHCPMode.NONE and self.unknown_machines is UnknownMachines.INSPECT:
            raise ValueError("unknown_machines: inspect needs DHCP, and `dhcp` is none")
        return self

    @model_validator(mode="after")
    def _service_address_free(self) -> Provisioning:
        shared = self.service_address
        if shared is None:
            return self
        if shared not in self.address.network or shared == self.address.ip:
            raise ValueError(
                f"service_address {shared} must be another address of {self.address.network} than the seed's "
                f"own {self.address.ip}: it moves to the seed that leads"
            )
        if self.dhcp_range and self.dhcp_range[0] <= shared <= self.dhcp_range[1]:
            raise ValueError(f"service_address {shared} is inside of dhcp_range, so it would be leased")
        return self

    def network(self) -> ProvisioningNetwork:
        """What dnsmasq's configuration is rendered from."""
        first, last = self.dhcp_range or (None, None)
        return ProvisioningNetwork(
            interface=self.interface,
            network=self.address.network,
            address=self.address.ip,
            first=first,
            last=last,
            mode=self.dhcp,
            subnets=tuple(each.subnet() for each in self.subnets),
            strangers=self.inspects_unknown,
            uefi_loader=self.uefi_loader,
        )

    @property
    def serves_tftp(self) -> bool:
        return self.dhcp is not DHCPMode.NONE or self.embedded_tftp

    @property
    def inspects_unknown(self) -> bool:
        return self.unknown_machines is UnknownMachines.INSPECT

    @property
    def machines_address(self) -> IPv4Address:
        """Where machines find the seed: of several that share a store, the one that leads."""
        return self.service_address or self.address.ip

    @property
    def service_interface(self) -> IPv4Interface | None:
        """The shared address with the network's prefix."""
        if self.service_address is None:
            return None
        return IPv4Interface(f"{self.service_address}/{self.address.network.prefixlen}")

    @property
    def base_url(self) -> str:
        return f"http://{self.machines_address}:{self.http_port}"

    @property
    def port_of_files(self) -> int:
        return self.files_port or self.http_port + (1 if self.http_port < 65535 else -1)

    @property
    def ports(self) -> tuple[int, int]:
        """Where machines reach the seed by HTTP."""
        return self.http_port, self.port_of_files

    @property
    def files_url(self) -> str:
        return f"http://{self.machines_address}:{self.port_of_files}"

    @property
    def media_base_url(self) -> str:
        """As BMCs reach the seed."""
        return self.media_url or self.base_url


def _check_range(leased: AddressRange, network: IPv4Network) -> None:
    """Raises ValueError."""
    for address in leased:
        if address not in network:
            raise ValueError(f"dhcp_range: {address} is not in {network}")
    if leased[0] > leased[1]:
        raise ValueError(f"dhcp_range: {leased[0]} comes after {leased[1]}")


def default_range(network: IPv4Network, address: IPv4Address) -> tuple[IPv4Address, IPv4Address]:
    """The upper quarter of the network, short of the broadcast address, around the seed's own address."""
    hosts = network.num_addresses
    if hosts < 16:
        raise ValueError(f"{network} is too small to provision in; a /28 is the smallest")
    first, last = network[hosts * 3 // 4], network[hosts - 2]
    if first <= address <= last:
        first, last = network[hosts // 4], network[hosts // 2 - 1]
    return first, last
