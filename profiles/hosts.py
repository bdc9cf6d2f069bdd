"""What a host should become, as it is written down in a site's declaration (`profiles/site.py`)."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from hwdrivers.address import BMCAddress
from profiles.addresses import Address, HostName, Mac
from profiles.document import Strict
from profiles.interfaces import Interfaces
from profiles.root_device import RootDevice

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


class Deploy(StrEnum):
    """How an operating system gets to a host: Ironic's deploy interfaces.

    DIRECT: the agent writes a disk image. RAMDISK: the host runs a kernel and an initramfs from memory, its
    disks stay as they are. BOOTC: the agent installs a bootable container image.
    """

    DIRECT = "direct"
    RAMDISK = "ramdisk"
    BOOTC = "bootc"


class DeployStep(Strict):
    """A step of the agent that a deploy takes as well; those without `priority` come as they stand."""

    step: Annotated[str, StringConstraints(pattern=r"^\w+\.\w+$")]
    priority: int | None = Field(default=None, ge=0)
    args: dict[str, Any] = Field(default_factory=dict)


class Becoming(Strict):
    """What hosts can have in common."""

    network: str = DEFAULT_NETWORK
    interfaces: Interfaces = ()
    """Without any, the NIC that the host boots from gets its address."""
    image: str = "debian-12"
    deploy: Deploy = Deploy.DIRECT
    deploy_steps: tuple[DeployStep, ...] = ()
    root_device: RootDevice | None = None
    software_raid: bool = False
    """Whether the root file system is on a RAID 1 of two disks, made by the agent's Linux (md)."""
    ssh_keys: tuple[str, ...] = ()
    role: Role | None = None
    user_data: dict[str, Any] = Field(default_factory=dict)
    vendor_data: dict[str, Any] = Field(default_factory=dict)
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
