"""What a host should become, as it is written down in a site's declaration (`profiles/site.py`)."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hwdrivers.address import BMCAddress
from hwdrivers.mac import normal_mac
from profiles.document import Strict

DEFAULT_NETWORK = "provisioning"


class Role(StrEnum):
    """What a host is handed over to."""

    CONTROL_PLANE = "control-plane"
    KUBERNETES = "kubernetes"


class State(StrEnum):
    """Where a host can be wanted: stable provision states, by Ironic's names."""

    MANAGEABLE = "manageable"
    AVAILABLE = "available"
    ACTIVE = "active"
    DECOMMISSIONED = "decommissioned"


def _mac(text: str) -> str:
    canonical = normal_mac(text.strip())
    if canonical is None or int(canonical[:2], 16) & 1:  # a group address; no NIC has one
        raise ValueError(f"'{text}' is no MAC address of a NIC; write it as 52:54:00:12:34:56")
    return canonical


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _hostname(text: str) -> str:
    """RFC 1123 section 2.1."""
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    if not re.fullmatch(rf"{label}(\.{label})*", text) or len(text) > 253:
        raise ValueError(f"'{text}' is no host name (lower-case letters, digits, '-'; RFC 1123)")
    return text


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(f"{error}; write it as 192.0.2.0/24") from None


def _bmc(text: str) -> str:
    """Nodes are matched by the host of their BMC's address, however that was typed."""
    return BMCAddress.parse(text).host


def _maintenance(said: object) -> object:
    """By YAML 1.2 `no` is a text, and would be the reason of a maintenance that nobody wants."""
    words = said.strip().lower() if isinstance(said, str) else ""
    if isinstance(said, bool) or (words and words not in ("yes", "no", "on", "off", "y", "n", "none")):
        return said
    raise ValueError("must be true, false, or the reason in words")


Mac = Annotated[str, AfterValidator(_mac)]
Address = Annotated[str, AfterValidator(_address)]
HostName = Annotated[str, AfterValidator(_hostname)]


class Network(Strict):
    """An IP network that hosts get addresses in."""

    cidr: Annotated[str, AfterValidator(_cidr)]
    gateway: Address | None = None
    dns: tuple[Address, ...] = ()

    @model_validator(mode="after")
    def _inside(self) -> Network:
        network = ipaddress.ip_network(self.cidr)
        if self.gateway and ipaddress.ip_address(self.gateway) not in network:
            raise ValueError(f"gateway {self.gateway} is not in {self.cidr}")
        return self


class Match(Strict):
    """Which nodes a declaration is for; everything given must hold. The first three name one machine."""

    bmc: Annotated[str, AfterValidator(_bmc)] | None = None
    serial: str | None = None
    name: str | None = None
    vendor: str | None = None
    model: str | None = None

    def matches(self, facts: dict[str, str | None]) -> bool:
        """Whether every given criterion equals the node's fact of that name."""
        return all(facts.get(key) == value for key, value in self.given().items())

    def given(self) -> dict[str, str]:
        return {key: value for key, value in self if value is not None}

    def identity(self) -> dict[str, str]:
        """The criteria that only one machine can have."""
        return {key: value for key, value in self.given().items() if key in ("bmc", "serial", "name")}

    def specificity(self) -> tuple[int, int]:
        """What names the machine itself weighs more than any number of things that it has in common."""
        return len(self.identity()), len(self.given())


class RootDevice(Strict):
    """Which disk gets the operating system, in Ironic's root device hints; all given must hold."""

    serial: str | None = None
    wwn: str | None = None
    name: str | None = None
    min_size_gib: int | None = Field(default=None, ge=1)
    rotational: bool | None = None


class Becoming(Strict):
    """What hosts can have in common."""

    network: str = DEFAULT_NETWORK
    image: str = "debian-12"
    root_device: RootDevice | None = None
    ssh_keys: tuple[str, ...] = ()
    role: Role | None = None
    user_data: dict[str, Any] = Field(default_factory=dict)
    state: State | None = None
    """Where `undercloud apply` brings the node; None: it is left where it is."""


class Profile(Becoming):
    """A named answer for many hosts; whatever it does not say it takes from the one that it extends."""

    extends: str | None = None


class Host(Becoming):
    """What one node, or every node that matches, should become; what it says goes before its profile."""

    match: Match
    profile: str | None = None
    name: HostName | None = None
    macs: tuple[Mac, ...] = ()
    hostname: HostName | None = None
    address: Address | None = None
    maintenance: Annotated[bool | str, BeforeValidator(_maintenance)] | None = None
    """True or a reason: in maintenance. False: out of it. None: as operators set it."""

    @model_validator(mode="after")
    def _matches_itself(self) -> Host:
        if self.match.name and self.name and self.match.name != self.name:
            raise ValueError(
                f"it matches a node named '{self.match.name}' and renames it to '{self.name}', which it "
                "would match no more: match by bmc or serial"
            )
        return self

    @property
    def title(self) -> str:
        return self.name or self.hostname or self.criteria

    @property
    def criteria(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.match.given().items()) or "any node"

    def misfit(self, network: Network) -> str | None:
        """Why a host of this network cannot have its address."""
        if self.address is None:
            return None
        at, inside = ipaddress.ip_address(self.address), ipaddress.ip_network(network.cidr)
        if at not in inside:
            return f"address {self.address} is not in network {network.cidr}"
        if inside.num_addresses > 2 and at in (inside.network_address, inside.broadcast_address):
            return f"address {self.address} is the first or last of {network.cidr}, which no host can have"
        if self.address == network.gateway:
            return f"address {self.address} is the gateway's"
        return None
