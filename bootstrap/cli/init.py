"""`undercloud init`: from nothing to a seed that answers."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Annotated, Any

import typer

from bootstrap.cli.console import CommandError, config_path, out
from bootstrap.config import Config, read
from bootstrap.preflight import check_interface, check_ports, provisioning_candidate, seed_address
from bootstrap.process import pid
from bootstrap.provisioning import Provisioning, RelayedSubnet, UnknownMachines, default_range
from pxe.dnsmasq import DHCPMode
from pxe.firmware import UEFILoader

EXAMPLES = """
Examples:

    undercloud init

    undercloud init --interface enp3s0f0 --cidr 192.0.2.0/24

    undercloud init --dhcp proxy                    # beside the site's DHCP server

    undercloud init --dhcp relay --subnet 198.51.100.0/24,198.51.100.1,198.51.100.100-198.51.100.200

    undercloud --config lab.yaml init --yes --interface br-prov --cidr 192.0.2.0/24 --state-dir ./state
"""


def register(app: typer.Typer) -> None:
    app.command("init", epilog=EXAMPLES)(init)


def init(
    ctx: typer.Context,
    interface: Annotated[
        str | None,
        typer.Option(
            help="The NIC on the network that machines boot from; default: the only one that can be."
        ),
    ] = None,
    cidr: Annotated[
        str | None,
        typer.Option(help="That network, such as 192.0.2.0/24; default: that of the NIC's address."),
    ] = None,
    dhcp: Annotated[
        DHCPMode | None,
        typer.Option(
            help="Who hands out addresses: the seed (server; relay: behind relays too), the site's DHCP "
            "server (proxy: the seed only says what to boot), or none: virtual media alone."
        ),
    ] = None,
    dhcp_range: Annotated[str | None, typer.Option(help="Addresses to lease: FIRST-LAST.")] = None,
    subnet: Annotated[
        list[str] | None,
        typer.Option(help="A network behind a relay: NETWORK,ROUTER,FIRST-LAST; repeatable."),
    ] = None,
    uefi_loader: Annotated[
        UEFILoader | None,
        typer.Option(help="What UEFI machines get; where Secure Boot is known to be on it is grub anyway."),
    ] = None,
    unknown_machines: Annotated[
        UnknownMachines | None,
        typer.Option(help="inspect: a machine that is not enrolled boots the ramdisk, which enrols it."),
    ] = None,
    http_port: Annotated[int | None, typer.Option(help="Where machines fetch scripts and images.")] = None,
    service_address: Annotated[
        str | None, typer.Option(help="The address that seeds share; the one that leads has it.")
    ] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Store, keys and logs.")] = None,
    database: Annotated[
        str | None,
        typer.Option(help="Where seeds share a store: postgresql://USER@HOST/NAME; default: a file."),
    ] = None,
    database_password_file: Annotated[
        Path | None, typer.Option(help="A file of mode 0600 with the database's password.")
    ] = None,
    images_dir: Annotated[Path | None, typer.Option(help="Ramdisks and images.")] = None,
    socket: Annotated[Path | None, typer.Option(help="Where the seed listens for this command.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Write the configuration, create the store, start the seed and its dnsmasq.

    Running it again converges: what is missing is made, and only what is named is changed.
    """
    path = config_path(ctx)
    before = read(path) if path.exists() else None
    paths = {
        "state_dir": state_dir,
        "images_dir": images_dir,
        "socket": socket,
        "database_password_file": database_password_file,
    }
    changes: dict[str, Any] = {key: value.absolute() for key, value in paths.items() if value is not None}
    if database is not None:
        changes["database"] = database
    asked = {
        "dhcp": dhcp,
        "dhcp_range": _range(dhcp_range) if dhcp_range else None,
        "subnets": tuple(_subnet(text) for text in subnet) if subnet else None,
        "uefi_loader": uefi_loader,
        "unknown_machines": unknown_machines,
        "http_port": http_port,
        "service_address": _shared_address(service_address),
    }
    given = {key: value for key, value in asked.items() if value is not None}
    if before is None or interface or cidr or given:
        present = before.provisioning if before else None
        changes["provisioning"] = _provisioning(present, interface, cidr, given)
    config = configuration({**(dict(before) if before else {}), **changes})
    check_interface(config.provisioning)
    check_ports(config.provisioning, before.provisioning.ports if before and pid(config) else ())
    from bootstrap.setup import Setup

    setup = Setup(path, config)
    pending = setup.pending()
    if not pending:
        out.print("  nothing to change; this is how it stands:")
    for line in pending:
        out.print(f"  will {line}", markup=False)
    if pending and not yes and not typer.confirm("Go on?", default=True):
        raise CommandError("nothing was changed")
    for line in setup.converge():
        out.print(f"  {line}", markup=False)
    out.print(
        "The seed is up. Next: `undercloud credentials add`, then `undercloud discover RANGE --enroll`."
    )


def configuration(values: dict[str, Any]) -> Config:
    """The configuration with these values; raises CommandError naming the option that is wrong."""
    try:
        return Config(**values)
    except ValueError as error:
        raise CommandError(_first_line(error)) from error


def _provisioning(
    present: Provisioning | None, interface: str | None, cidr: str | None, given: dict[str, Any]
) -> Provisioning:
    """The network as it was asked for; what was not named stays as it is, or is computed."""
    name = interface or (present.interface if present else provisioning_candidate().name)
    if present and cidr is None and interface is None:
        address = present.address
    else:
        address = seed_address(name, _network(cidr) if cidr else None)
    values = {**(dict(present) if present else {}), **given, "interface": name, "address": address}
    mode = values.get("dhcp", DHCPMode.SERVER)
    try:
        if mode is not DHCPMode.RELAY:
            values["subnets"] = given.get("subnets", ())
        if mode in (DHCPMode.PROXY, DHCPMode.NONE):
            values["dhcp_range"] = given.get("dhcp_range")
        elif "dhcp_range" not in given and _stale(present, address):
            values["dhcp_range"] = default_range(address.network, address.ip)
        return Provisioning(**values)
    except ValueError as error:
        raise CommandError(_first_line(error)) from error


def _stale(present: Provisioning | None, address: IPv4Interface) -> bool:
    """Whether the range that is leased is none of this address's network."""
    return present is None or present.address != address or present.dhcp_range is None


def _shared_address(asked: str | None) -> IPv4Address | None:
    try:
        return IPv4Address(asked) if asked else None
    except ValueError as error:
        raise CommandError(f"--service-address {asked}: {error}") from error


def _network(cidr: str) -> IPv4Network:
    try:
        return IPv4Network(cidr)
    except ValueError as error:
        raise CommandError(f"--cidr {cidr}: {error}; write it as 192.0.2.0/24") from error


def _range(text: str, option: str = "--dhcp-range") -> tuple[IPv4Address, IPv4Address]:
    first, dash, last = text.partition("-")
    try:
        if dash:
            return IPv4Address(first.strip()), IPv4Address(last.strip())
    except ValueError:
        pass
    raise CommandError(f"{option} {text}: write FIRST-LAST, such as 192.0.2.100-192.0.2.200")


def _subnet(text: str) -> RelayedSubnet:
    parts = text.split(",")
    if len(parts) != 3:
        raise CommandError(
            f"--subnet {text}: write NETWORK,ROUTER,FIRST-LAST, such as "
            "198.51.100.0/24,198.51.100.1,198.51.100.100-198.51.100.200"
        )
    leased = _range(parts[2], "--subnet")
    try:
        return RelayedSubnet(network=IPv4Network(parts[0]), router=IPv4Address(parts[1]), dhcp_range=leased)
    except ValueError as error:
        raise CommandError(f"--subnet {text}: {_first_line(error)}") from error


def _first_line(error: ValueError) -> str:
    """pydantic's message without its frame, after the option that it is about."""
    errors = getattr(error, "errors", None)
    if not errors:
        return str(error)
    finding = errors()[0]
    option = "".join(f"--{part}: ".replace("_", "-") for part in finding["loc"][:1])
    return option + str(finding["msg"]).removeprefix("Value error, ")
