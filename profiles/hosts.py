"""What each host should become: declarations matched to nodes, the most specific one winning."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from hwdrivers.address import BMCAddress
from hwdrivers.mac import normal_mac
from profiles.document import Finding, Location, Strict, refuse


class Role(StrEnum):
    """What a host is handed over to."""

    CONTROL_PLANE = "control-plane"
    KUBERNETES = "kubernetes"


class NoProfile(LookupError):
    """No declaration matches a node."""


class AmbiguousProfile(LookupError):
    """Two equally specific declarations match one node."""


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
    """Which node a declaration is for; everything given must hold."""

    bmc: Annotated[str, AfterValidator(_bmc)] | None = None
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
    name: HostName | None = None
    macs: tuple[Mac, ...] = ()
    hostname: HostName | None = None
    address: Address | None = None
    network: str = "provisioning"
    image: str = "debian-12"
    root_device: RootDevice | None = None
    ssh_keys: tuple[str, ...] = ()
    role: Role | None = None
    user_data: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _matches_itself(self) -> Host:
        if self.match.name and self.name and self.match.name != self.name:
            raise ValueError(
                f"it matches a node named '{self.match.name}' and renames it to '{self.name}', which it "
                "would match no more: match by bmc or serial"
            )
        return self


class Profiles(Strict):
    """The whole declaration of a site."""

    networks: dict[str, Network] = Field(default_factory=dict)
    hosts: tuple[Host, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Profiles:
        refuse("Profiles", self._findings())
        return self

    def _findings(self) -> Iterator[Finding]:
        hosts = list(enumerate(self.hosts))
        macs = [(("hosts", n, "macs", m), mac) for n, host in hosts for m, mac in enumerate(host.macs)]
        yield from _repeats("MAC", macs)
        yield from _repeats("address", [(("hosts", n, "address"), host.address) for n, host in hosts])
        yield from _repeats("host name", [(("hosts", n, "hostname"), host.hostname) for n, host in hosts])
        yield from _repeats("name", [(("hosts", n, "name"), host.name) for n, host in hosts])
        matches = [(("hosts", n, "match"), _criteria(host.match)) for n, host in hosts]
        yield from _repeats("the match", matches)
        for number, host in hosts:
            yield from self._address_findings(number, host)

    def _address_findings(self, number: int, host: Host) -> Iterator[Finding]:
        if host.address is None:
            return
        network = self.networks.get(host.network)
        if network is None:
            known = ", ".join(self.networks) or "none"
            words = f"{_title(host)}: network '{host.network}' is not declared; there are: {known}"
            yield Finding(("hosts", number, "network"), words)
        elif problem := _unfit(host.address, network):
            yield Finding(("hosts", number, "address"), f"{_title(host)}: {problem}")

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
    return host.name or host.hostname or _criteria(host.match)


def _criteria(match: Match) -> str:
    return ", ".join(f"{key} {value}" for key, value in match.given().items()) or "any node"


def _facts(facts: dict[str, str | None]) -> str:
    return ", ".join(f"{key} {value}" for key, value in facts.items() if value) or "a node without facts"


def _unfit(address: str, network: Network) -> str | None:
    """Why a host of this network cannot have the address."""
    at, inside = ipaddress.ip_address(address), ipaddress.ip_network(network.cidr)
    if at not in inside:
        return f"address {address} is not in network {network.cidr}"
    if inside.num_addresses > 2 and at in (inside.network_address, inside.broadcast_address):
        return f"address {address} is the first or last of {network.cidr}, which no host can have"
    if address == network.gateway:
        return f"address {address} is the gateway's"
    return None


def _repeats(what: str, values: Iterable[tuple[Location, str | None]]) -> Iterator[Finding]:
    """A finding for each value that was there before, at its second place."""
    seen: set[str] = set()
    for location, value in values:
        if value is not None and value in seen:
            yield Finding(location, f"{what} {value} is declared twice")
        seen.add(value or "")
