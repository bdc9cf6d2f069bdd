"""One look at one BMC, enrolled or not: who it is, its power, what can be done there, what it is made of."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict
from ipaddress import ip_address
from typing import Any

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BMC, Endpoint, Identity
from hwdrivers.errors import ProtocolError, SeveralSystems, Unsupported
from hwdrivers.inventory import Enclosure, Inventory, Manager
from hwdrivers.redfish.enclosure import read_enclosure
from hwdrivers.redfish.service_root import RedfishPort
from hwdrivers.scan import Finding, Plan, scan

Document = dict[str, Any]


def look(endpoint: Endpoint, connect: Callable[[Endpoint], BMC]) -> Iterator[Document]:
    """`{"progress": words}` while it reads, then `{"bmc": document}`; raises BMCError.

    Where several systems are behind the service and the address names none, all of them are looked at.
    docs/inventory.md describes the document.
    """
    yield {"progress": f"{endpoint.address}: logging in"}
    systems: list[Document] = []
    try:
        with ExitStack() as stack:
            for bmc in _conversations(endpoint, connect, stack):
                yield {"progress": f"{bmc.address}: reading what it is made of"}
                systems.append(_system(bmc))
    except (ProtocolError, Unsupported):
        if systems or not endpoint.address.is_redfish or endpoint.address.path:
            raise
        alone = read_enclosure(endpoint)
        if not alone.enclosures and not alone.managers:
            raise
        yield {"bmc": _enclosure(endpoint.address, alone)}
        return
    yield {"bmc": _document(endpoint.address, systems)}


def _conversations(endpoint: Endpoint, connect: Callable[[Endpoint], BMC], stack: ExitStack) -> Iterator[BMC]:
    """One for each system; all open until the end, for they share one session."""
    try:
        yield stack.enter_context(closing(connect(endpoint)))
    except SeveralSystems as several:
        if endpoint.address.path:
            raise  # the one that was named is not among them
        for choice in several.choices:
            yield stack.enter_context(closing(connect(Endpoint(choice, endpoint.credentials))))


def _system(bmc: BMC) -> Document:
    known = bmc.identify()
    abilities = {str(name): asdict(ability) for name, ability in bmc.abilities().items()}
    return {
        "address": str(bmc.address),
        "identity": asdict(known),
        "power": known.power,
        "abilities": abilities,
        "inventory": bmc.inventory().to_dict(),
    }


def _document(address: BMCAddress, systems: list[Document]) -> Document:
    """What is the same for a lone machine is at the top as well, where a script looks first."""
    lone: Mapping[str, Any] = systems[0] if len(systems) == 1 else {}
    return {
        "address": str(lone.get("address", address)),
        **{name: lone.get(name) for name in ("identity", "power", "abilities", "inventory")},
        "enclosures": _of_all(systems, "enclosures"),
        "managers": _of_all(systems, "managers"),
        "systems": systems,
    }


def _enclosure(address: BMCAddress, parts: Inventory) -> Document:
    """A power shelf or the like: no system, so nothing to switch on."""
    first = parts.enclosures[0] if parts.enclosures else Enclosure("")
    manager = parts.managers[0] if parts.managers else Manager("")
    inventory = parts.to_dict()
    return {
        "address": str(address),
        "identity": asdict(Identity(first.vendor, first.model, first.serial, None, manager.firmware)),
        "power": None,
        "abilities": {},
        "inventory": inventory,
        "enclosures": inventory["enclosures"],
        "managers": inventory["managers"],
        "systems": [],
    }


def _of_all(systems: list[Document], name: str) -> list[Any]:
    """What any of them has, once."""
    found: list[Any] = []
    for system in systems:
        found += [part for part in system["inventory"][name] if part not in found]
    return found


def as_stranger(address: BMCAddress) -> list[Finding]:
    """What the BMC tells without a log-in: its service root, and over IPMI that it is there."""
    found: list[Finding] = []
    ipmi = address.scheme is None or not address.is_redfish
    plan = Plan(
        ipmi_ports=(address.port or 623,) if ipmi else (),
        redfish_ports=_redfish_ports(address),
        ssdp=False,
    )
    scan([ip_address(_resolved(address.host))], plan, found=found.append)
    return found


def _redfish_ports(address: BMCAddress) -> tuple[RedfishPort, ...]:
    if address.scheme is None:
        return (RedfishPort(443),)
    return (
        (RedfishPort(address.port or 443, address.base_url.startswith("https")),)
        if address.is_redfish
        else ()
    )


def _resolved(host: str) -> str:
    return str(socket.getaddrinfo(host, None)[0][4][0])
