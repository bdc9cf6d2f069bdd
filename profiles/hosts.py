"""What a host should become, as it is written down in a site's declaration (`profiles/site.py`)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from hwdrivers.address import BMCAddress
from profiles import templates
from profiles.addresses import Address, HostName, Mac
from profiles.document import Finding, Strict, refuse
from profiles.interfaces import Interfaces
from profiles.root_device import RootDevice
from profiles.user_data import checked, read

DEFAULT_NETWORK = "provisioning"
TEMPLATED = ("interfaces", "ssh_keys", "user_data", "vendor_data", "vendor_data2")
"""Keys whose values may hold templates."""


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


VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")]


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
    """Whether the root file system is on a RAID 1 of Linux (md), of the two disks that root_device fits."""
    calls_home: bool = True
    """Whether its image tells that it runs, as cloud-init does. False is for `deploy: ramdisk` alone."""
    ssh_keys: tuple[str, ...] = ()
    role: Role | None = None
    user_data: Annotated[dict[str, Any] | str, AfterValidator(checked)] = Field(default_factory=dict)
    user_data_file: str | None = None
    """Read where the declaration is, in place of `user_data`."""
    vendor_data: dict[str, Any] = Field(default_factory=dict)
    vendor_data2: dict[str, Any] = Field(default_factory=dict)
    vars: dict[VariableName, Any] = Field(default_factory=dict)
    """For templates; a host's go before its profile's, one by one."""
    state: State | None = None
    """Where `undercloud apply` brings the node; None: it is left where it is."""

    def templated(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """All templates, each with where it stands."""
        said = self.model_dump(include=set(TEMPLATED) & self.model_fields_set)
        return templates.templates(said)

    @model_validator(mode="before")
    @classmethod
    def _read_user_data(cls, given: Any, info: ValidationInfo) -> Any:
        file = given.get("user_data_file") if isinstance(given, dict) else None
        if not isinstance(file, str):
            return given
        if "user_data" in given:
            raise ValueError("user_data and user_data_file are two answers to one question")
        folder: Path | None = (info.context or {}).get("folder")
        rest = {key: value for key, value in given.items() if key != "user_data_file"}
        if folder is None:
            refuse(
                cls.__name__, [Finding(("user_data_file",), "no files are read here: write it as user_data")]
            )
            return rest
        try:
            return {**rest, "user_data": checked(read(folder / file))}
        except ValueError as error:
            refuse(cls.__name__, [Finding(("user_data_file",), str(error))])
            return rest


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

    def rendered(self, node: Mapping[str, Any]) -> Host:
        """With all templates filled in; `node` has the names of `templates.NODE`.

        Raises ValueError telling which value cannot be rendered, or is none that it could have.
        """
        plain = self.model_dump(mode="json")
        facts: dict[str, Any] = {"host": {key: plain[key] for key in templates.HOST}, "node": node}
        facts["host"]["name"] = plain["name"] or node.get("name")
        facts["host"] = {key: value for key, value in facts["host"].items() if value is not None}
        for key in TEMPLATED:
            try:
                plain[key] = templates.render(plain[key], facts)
            except templates.BadTemplate as error:
                raise templates.BadTemplate(f"{key}: {error}") from None
        try:
            return Host.model_validate(plain)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None

    @property
    def title(self) -> str:
        return self.name or self.hostname or self.criteria

    @property
    def criteria(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.match.given().items()) or "any node"

    def has_interface_with(self, address: str) -> bool:
        """Whether an interface has the address, or may have it once its templates are filled in."""
        said = [text for interface in self.interfaces for text in interface.addresses]
        return any(templates.is_template(text) or text.partition("/")[0] == address for text in said) or any(
            interface.dhcp4 or interface.dhcp6 for interface in self.interfaces
        )

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
