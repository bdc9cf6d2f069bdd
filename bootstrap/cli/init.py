"""`undercloud init`: from nothing to a seed that answers."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any

import typer

from bootstrap.cli.console import CommandError, config_path, out
from bootstrap.config import DEFAULT_HTTP_PORT, Config, Provisioning, default_range, read
from bootstrap.preflight import check_interface, check_port, provisioning_candidate, seed_address
from bootstrap.process import pid

EXAMPLES = """
Examples:

    undercloud init

    undercloud init --interface enp3s0f0 --cidr 192.0.2.0/24

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
    dhcp_range: Annotated[str | None, typer.Option(help="Addresses to lease: FIRST-LAST.")] = None,
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
    if before is None or interface or cidr or dhcp_range or http_port or service_address:
        present = before.provisioning if before else None
        shared = _shared_address(present, service_address)
        changes["provisioning"] = _provisioning(present, interface, cidr, dhcp_range, http_port, shared)
    config = configuration({**(dict(before) if before else {}), **changes})
    check_interface(config.provisioning)
    if pid(config) is None or (before and before.provisioning.http_port != config.provisioning.http_port):
        check_port(config.provisioning)
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
    present: Provisioning | None,
    interface: str | None,
    cidr: str | None,
    dhcp_range: str | None,
    http_port: int | None,
    shared: IPv4Address | None,
) -> Provisioning:
    """The network as it was asked for; what was not named stays as it is, or is computed."""
    name = interface or (present.interface if present else provisioning_candidate().name)
    if present and cidr is None and interface is None:
        address = present.address
    else:
        address = seed_address(name, _network(cidr) if cidr else None)
    try:
        if dhcp_range:
            leased = _range(dhcp_range)
        elif present and present.address == address:
            leased = present.dhcp_range
        else:
            leased = default_range(address.network, address.ip)
        port = http_port or (present.http_port if present else DEFAULT_HTTP_PORT)
        return Provisioning(
            interface=name, address=address, dhcp_range=leased, http_port=port, service_address=shared
        )
    except ValueError as error:
        raise CommandError(_first_line(error)) from error


def _shared_address(present: Provisioning | None, asked: str | None) -> IPv4Address | None:
    if asked is None:
        return present.service_address if present else None
    try:
        return IPv4Address(asked)
    except ValueError as error:
        raise CommandError(f"--service-address {asked}: {error}") from error


def _network(cidr: str) -> IPv4Network:
    try:
        return IPv4Network(cidr)
    except ValueError as error:
        raise CommandError(f"--cidr {cidr}: {error}; write it as 192.0.2.0/24") from error


def _range(text: str) -> tuple[IPv4Address, IPv4Address]:
    first, dash, last = text.partition("-")
    try:
        if dash:
            return IPv4Address(first.strip()), IPv4Address(last.strip())
    except ValueError:
        pass
    raise CommandError(f"--dhcp-range {text}: write FIRST-LAST, such as 192.0.2.100-192.0.2.200")


def _first_line(error: ValueError) -> str:
    """pydantic's message without its frame, after the option that it is about."""
    errors = getattr(error, "errors", None)
    if not errors:
        return str(error)
    finding = errors()[0]
    option = "".join(f"--{part}: ".replace("_", "-") for part in finding["loc"][:1])
    return option + str(finding["msg"]).removeprefix("Value error, ")
