"""OpenStack's network_data.json, checked before a machine is told it: links, networks, services.

What is checked is what the ramdisk reads (pxe/build/ramdisk_network.py); other keys are let through. Format:
https://docs.openstack.org/nova/latest/user/metadata.html and Ironic's network-data-schema.json.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

BondMode = Literal[
    "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"
]


def _ip(text: str) -> str:
    return str(ip_address(text))


Address = Annotated[str, AfterValidator(_ip)]
Mac = Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$")]
Word = Annotated[str, Field(pattern=r"^[a-z0-9+]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")


class Link(_Part):
    """A NIC, a bond or a VLAN."""

    id: str
    type: str
    ethernet_mac_address: Mac | None = None
    mtu: int | None = Field(default=None, ge=68, le=65535)
    bond_links: tuple[str, ...] = ()
    bond_mode: BondMode | None = None
    bond_miimon: int | None = Field(default=None, ge=0)
    bond_hash_policy: Word | None = None
    bond_xmit_hash_policy: Word | None = None
    bond_lacp_rate: Literal["slow", "fast"] | None = None
    vlan_link: str | None = None
    vlan_id: int | None = Field(default=None, ge=1, le=4094)
    vlan_mac_address: Mac | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        needed: dict[str, tuple[str, ...]] = {
            "bond": ("bond_links", "bond_mode"),
            "vlan": ("vlan_link", "vlan_id"),
        }
        for key in needed.get(self.type, ("ethernet_mac_address",)):
            if not getattr(self, key):
                raise ValueError(f"link '{self.id}' of type {self.type} has no {key}")
        return self

    @property
    def below(self) -> tuple[str, ...]:
        """The links that this one lies on."""
        if self.type == "bond":
            return self.bond_links
        return (self.vlan_link,) if self.type == "vlan" and self.vlan_link else ()


class Route(_Part):
    """`network` 0.0.0.0 with `netmask` 0.0.0.0 is the default route."""

    network: str
    netmask: str | None = None
    gateway: Address

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        ip_network(self.network if "/" in self.network else f"{self.network}/{_prefix(self.netmask)}")
        return self


class Service(_Part):
    """Of the types that there are, the ramdisk takes dns."""

    type: str
    address: Address


class Network(_Part):
    """One address on a link, or how it comes to one."""

    link: str
    type: Literal["ipv4", "ipv6", "ipv4_dhcp", "ipv6_dhcp", "ipv6_slaac"]
    ip_address: str | None = None
    netmask: str | None = None
    gateway: Address | None = None
    routes: tuple[Route, ...] = ()
    services: tuple[Service, ...] = ()

    @model_validator(mode="after")
    def _addressed(self) -> Self:
        if self.type not in ("ipv4", "ipv6"):
            return self
        if self.ip_address is None:
            raise ValueError(f"the {self.type} network of link '{self.link}' has no ip_address")
        text = self.ip_address if "/" in self.ip_address else f"{self.ip_address}/{_prefix(self.netmask)}"
        if f"ipv{ip_interface(text).version}" != self.type:
            raise ValueError(f"{text} is no address of type {self.type}")
        return self


class NetworkData(_Part):
    """The whole document."""

    links: tuple[Link, ...] = Field(min_length=1)
    networks: tuple[Network, ...] = Field(min_length=1)
    services: tuple[Service, ...] = ()

    @model_validator(mode="after")
    def _tied(self) -> Self:
        there = {link.id for link in self.links}
        wanted = [(below, f"link '{link.id}'") for link in self.links for below in link.below]
        wanted += [(network.link, f"a network of type {network.type}") for network in self.networks]
        for identity, by in wanted:
            if identity not in there:
                raise ValueError(f"{by} is on link '{identity}', which is not there")
        return self


def check(document: dict[str, Any]) -> dict[str, Any]:
    """The document as it was given; raises ValueError naming the first thing that is wrong."""
    try:
        NetworkData.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"network data: {where + ': ' if where else ''}{what}") from None
    return document


def _prefix(netmask: str | None) -> str:
    """Of a netmask as ipaddress takes it: that of IPv6 as a length."""
    if netmask is None:
        raise ValueError("there is neither a netmask nor a prefix length")
    if ":" in netmask:
        return str(bin(int(ip_address(netmask))).count("1"))
    return netmask
