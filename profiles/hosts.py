"""What each host should become: declarations matched to nodes, the most specific one winning."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from profiles.document import Strict


class Role(StrEnum):
    """What a host is handed over to."""

    CONTROL_PLANE = "control-plane"
    KUBERNETES = "kubernetes"


class NoProfile(LookupError):
    """No declaration matches a node."""


class AmbiguousProfile(LookupError):
    """Two equally specific declarations match one node."""


def _mac(text: str) -> str:
    canonical = text.strip().lower().replace("-", ":")
    if not re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", canonical):
        raise ValueError(f"'{text}' is no MAC address; write it as 52:54:00:12:34:56")
    return canonical


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _hostname(text: str) -> str:
    """RFC 1123 section 2.1."""
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    if not re.fullmatch(rf"{label}(\.{label})*", text) or len(text) > 253:
        raise ValueError(f"'{text}' is no host name (lower-case letters, digits, '-'; RFC 1123)")
    return text


Mac = Annotated[str, AfterValidator(_mac)]
Address = Annotated[str, AfterValidator(_address)]
HostName = Annotated[str, AfterValidator(_hostname)]


class Network(Strict):
    """An IP network that hosts get addresses in."""

    cidr: str
    gateway: Address | None = None
    dns: tuple[Address, ...] = ()

    @model_validator(mode="after")
    def _inside(self) -> Network:
        network = ipaddress.ip_network(self.cidr)
        if self.gateway and ipaddress.ip_address(self.gateway) not in network:
            raise ValueError(f"gateway {self.gateway} is not in {self.cidr}")
        return self


class Match(Strict):
    """Which node a declaration is for; everything given must hold."""

    bmc: str | None = None
    serial: str | None = None
    name: str | None = None

    def matches(self, facts: dict[str, str | None]) -> bool:
        """Whether every given criterion equals the node's fact of that name."""
        return all(facts.get(key) == value for key, value in self.given().items())

    def given(self) -> dict[str, str]:
        return {key: value for key, value in self.model_dump().items() if value is not None}


class RootDevice(Strict):
    """Which disk gets the operating system, in Ironic's root device hints; all given must hold."""

    serial: str | None = None
    wwn: str | None = None
    name: str | None = None
    min_size_gib: int | None = Field(default=None, ge=1)
    rotational: bool | None = None


class Host(Strict):
    """What one node, or every node that matches, should become."""

    match: Match
    name: str | None = None
    macs: tuple[Mac, ...] = ()
    hostname: HostName | None = None
    address: Address | None = None
    network: str = "provisioning"
    image: str = "debian-12"
    root_device: RootDevice | None = None
    ssh_keys: tuple[str, ...] = ()
    role: Role | None = None
    user_data: dict[str, Any] = Field(default_factory=dict)


class Profiles(Strict):
    """The whole declaration of a site."""

    networks: dict[str, Network] = Field(default_factory=dict)
    hosts: tuple[Host, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Profiles:
        _refuse_repeats("MAC", [mac for host in self.hosts for mac in host.macs])
        _refuse_repeats("address", [host.address for host in self.hosts if host.address])
        _refuse_repeats("host name", [host.hostname for host in self.hosts if host.hostname])
        _refuse_repeats("name", [host.name for host in self.hosts if host.name])
        for host in self.hosts:
            self._check_network(host)
        return self

    def _check_network(self, host: Host) -> None:
        if host.address is None:
            return
        if host.network not in self.networks:
            known = ", ".join(self.networks) or "none"
            raise ValueError(f"{_title(host)}: network '{host.network}' is not declared; there are: {known}")
        cidr = self.networks[host.network].cidr
        if ipaddress.ip_address(host.address) not in ipaddress.ip_network(cidr):
            raise ValueError(f"{_title(host)}: address {host.address} is not in network {cidr}")

    def host_for(self, facts: dict[str, str | None]) -> Host:
        """The declaration for a node with these facts (bmc, serial, name); most criteria win, a tie fails."""
        found = [host for host in self.hosts if host.match.matches(facts)]
        if not found:
            raise NoProfile(f"no declared host matches {_facts(facts)}")
        depth = max(len(host.match.given()) for host in found)
        best = [host for host in found if len(host.match.given()) == depth]
        if len(best) > 1:
            titles = ", ".join(_title(host) for host in best)
            raise AmbiguousProfile(f"{len(best)} declared hosts match {_facts(facts)} equally: {titles}")
        return best[0]


def _title(host: Host) -> str:
    return host.name or host.hostname or str(host.match.given())


def _facts(facts: dict[str, str | None]) -> str:
    return ", ".join(f"{key} {value}" for key, value in facts.items() if value) or "a node without facts"


def _refuse_repeats(what: str, values: list[str]) -> None:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{what} {', '.join(repeated)} is declared for two hosts")
