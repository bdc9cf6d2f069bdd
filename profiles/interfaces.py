"""The network interfaces of a host: NICs, bonds of them, VLANs on either, and their addresses.

The terms are netplan's; what cloud-init gets of it is OpenStack's network_data.json (`seed/network_data.py`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from profiles.addresses import Address, Mac
from profiles.document import Finding, Strict, refuse
from profiles.templates import is_template, or_template

BondMode = Literal[
    "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"
]
HashPolicy = Literal["layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4", "vlan+srcmac"]
DEFAULT = "default"


def _name(text: str) -> str:
    """What dev_valid_name() of Linux takes (net/core/dev.c)."""
    if not re.fullmatch(r"[^\s/:]{1,15}", text) or text in (".", ".."):
        raise ValueError(f"'{text}' is no name of an interface: up to 15 characters without blank, / and :")
    return text


def _with_prefix(text: str) -> str:
    if "/" not in text:
        raise ValueError(f"'{text}' has no prefix length; write it as 192.0.2.10/24")
    return str(ipaddress.ip_interface(text))


def _destination(text: str) -> str:
    return text if text == DEFAULT else str(ipaddress.ip_network(text))


Name = Annotated[str, AfterValidator(_name)]
AnyMac = Annotated[str, AfterValidator(or_template(Mac))]
AnyAddress = Annotated[str, AfterValidator(or_template(Address))]
Prefixed = Annotated[str, AfterValidator(or_template(Annotated[str, AfterValidator(_with_prefix)]))]
Destination = Annotated[str, AfterValidator(or_template(Annotated[str, AfterValidator(_destination)]))]
VlanId = Annotated[int | str, AfterValidator(or_template(Annotated[int, Field(ge=1, le=4094)]))]


class Route(Strict):
    """`to` is a network or "default"; `via` is the next hop."""

    to: Destination = DEFAULT
    via: AnyAddress


class Bond(Strict):
    """Linux bonding (Documentation/networking/bonding.rst); `miimon` in milliseconds."""

    mode: BondMode
    interfaces: Annotated[tuple[Name, ...], Field(min_length=1)]
    miimon: int = Field(default=100, ge=0)
    xmit_hash_policy: HashPolicy | None = None
    lacp_rate: Literal["slow", "fast"] | None = None
    primary: Name | None = None

    @model_validator(mode="after")
    def _of_its_mode(self) -> Bond:
        if self.lacp_rate and self.mode != "802.3ad":
            raise ValueError(f"lacp_rate is for mode 802.3ad, not {self.mode}")
        if self.primary and self.mode not in ("active-backup", "balance-tlb", "balance-alb"):
            raise ValueError(f"mode {self.mode} has no primary")
        if self.primary and self.primary not in self.interfaces:
            raise ValueError(f"its primary {self.primary} is none of its interfaces")
        return self


class Vlan(Strict):
    """A VLAN of IEEE 802.1Q on another interface."""

    id: VlanId
    link: Name


class Interface(Strict):
    """One interface. A NIC is found by `mac`, else by its `name`, as the ramdisk told it."""

    name: Name
    mac: AnyMac | None = None
    bond: Bond | None = None
    vlan: Vlan | None = None
    mtu: int | None = Field(default=None, ge=68, le=65535)
    dhcp4: bool = False
    dhcp6: bool = False
    addresses: tuple[Prefixed, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: tuple[AnyAddress, ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> Interface:
        if self.bond and self.vlan:
            raise ValueError("it is a bond or a VLAN, not both")
        if self.routes and not self.addresses and not self.dhcp4 and not self.dhcp6:
            raise ValueError("it has routes and no address")
        return self

    @property
    def is_nic(self) -> bool:
        return self.bond is None and self.vlan is None

    @property
    def configured(self) -> bool:
        """Whether it has addresses of its own."""
        return bool(self.addresses or self.dhcp4 or self.dhcp6)


def _together(interfaces: tuple[Interface, ...]) -> tuple[Interface, ...]:
    refuse("interfaces", _findings(interfaces))
    return interfaces


Interfaces = Annotated[tuple[Interface, ...], AfterValidator(_together)]


def _findings(interfaces: Sequence[Interface]) -> Iterator[Finding]:
    by_name = {interface.name: interface for interface in interfaces}
    bonded: dict[str, str] = {}
    for number, interface in enumerate(interfaces):
        if by_name[interface.name] is not interface:
            yield Finding((number, "name"), f"interface {interface.name} is declared twice")
        if words := _other_name(interface, [each.name for each in interfaces if each.bond]):
            yield Finding((number, "name"), words)
        for member in interface.bond.interfaces if interface.bond else ():
            if words := _no_member(by_name.get(member), member, bonded):
                yield Finding((number, "bond", "interfaces"), f"{interface.name}: {words}")
            bonded[member] = interface.name
        if interface.vlan and (words := _no_link(by_name.get(interface.vlan.link), interface.vlan.link)):
            yield Finding((number, "vlan", "link"), words)


def _other_name(interface: Interface, bonds: Sequence[str]) -> str | None:
    """network_data.json has no names: cloud-init makes its own for bonds (bond0, bond1...) and VLANs."""
    wanted = interface.name
    if interface.bond:
        wanted = f"bond{bonds.index(interface.name)}"
    elif interface.vlan and not is_template(interface.vlan.id):
        wanted = f"{interface.vlan.link}.{interface.vlan.id}"
    return f"cloud-init will call {interface.name} {wanted}: so name it" if wanted != interface.name else None


def _no_link(interface: Interface | None, name: str) -> str | None:
    if interface is None:
        return f"interface {name} is not declared"
    return "a VLAN on a VLAN cannot be said in network_data.json" if interface.vlan else None


def _no_member(interface: Interface | None, name: str, bonded: dict[str, str]) -> str | None:
    if interface is None:
        return f"interface {name} is not declared"
    if not interface.is_nic:
        return f"{name} is no NIC"
    if interface.configured:
        return f"{name} has addresses of its own, which a member of a bond cannot have"
    return f"{name} is a member of {bonded[name]} already" if name in bonded else None
