"""`undercloud init`: from nothing to a seed that answers."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Annotated

import typer

from bootstrap.cli.console import CommandError, config_path, out
from bootstrap.config import IMAGES_DIR, Config, Provisioning, default_range, read
from bootstrap.preflight import check_interface, seed_address
from bootstrap.setup import Setup

EXAMPLES = """
Examples:

    undercloud init --interface enp3s0f0 --cidr 192.0.2.0/24

    undercloud --config lab.yaml init --yes --interface br-prov --cidr 192.0.2.0/24 --state-dir ./state
"""


def register(app: typer.Typer) -> None:
    app.command("init", epilog=EXAMPLES)(init)


def init(
    ctx: typer.Context,
    interface: Annotated[
        str | None, typer.Option(help="The NIC on the network that machines boot from.")
    ] = None,
    cidr: Annotated[str | None, typer.Option(help="That network, such as 192.0.2.0/24.")] = None,
    dhcp_range: Annotated[str | None, typer.Option(help="Addresses to lease: FIRST-LAST.")] = None,
    http_port: Annotated[int, typer.Option(help="Where machines fetch scripts and images.")] = 8080,
    state_dir: Annotated[Path, typer.Option(help="Store, keys and logs.")] = Path("/var/lib/undercloud"),
    images_dir: Annotated[Path, typer.Option(help="Ramdisks and images.")] = IMAGES_DIR,
    socket: Annotated[Path, typer.Option(help="Where the seed listens for this command.")] = Path(
        "/run/undercloud/seed.sock"
    ),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Write the configuration, create the store, start the seed and its dnsmasq.

    Running it again converges: what is there stays, what is missing is made.
    """
    path = config_path(ctx)
    if path.exists() and interface is None and cidr is None:
        config = read(path)
    else:
        config = Config(
            provisioning=_provisioning(interface, cidr, dhcp_range, http_port),
            state_dir=state_dir.absolute(),
            images_dir=images_dir.absolute(),
            socket=socket.absolute(),
        )
    check_interface(config.provisioning)
    setup = Setup(path, config)
    for line in setup.pending():
        out.print(f"  will {line}", markup=False)
    if setup.pending() and not yes and not typer.confirm("Go on?", default=True):
        raise CommandError("nothing was changed")
    for line in setup.converge():
        out.print(f"  {line}", markup=False)
    out.print(
        "The seed is up. Next: `undercloud credentials add`, then `undercloud discover RANGE --enroll`."
    )


def _provisioning(
    interface: str | None, cidr: str | None, dhcp_range: str | None, http_port: int
) -> Provisioning:
    if interface is None or cidr is None:
        raise CommandError("name the provisioning network: --interface NIC --cidr 192.0.2.0/24")
    try:
        network = IPv4Network(cidr)
    except ValueError as error:
        raise CommandError(f"--cidr {cidr}: {error}; write it as 192.0.2.0/24") from error
    address = seed_address(interface, network)
    try:
        first, last = _range(dhcp_range) if dhcp_range else default_range(network, address)
        return Provisioning(
            interface=interface,
            address=IPv4Interface(f"{address}/{network.prefixlen}"),
            dhcp_range=(first, last),
            http_port=http_port,
        )
    except ValueError as error:
        raise CommandError(_first_line(error)) from error


def _range(text: str) -> tuple[IPv4Address, IPv4Address]:
    first, dash, last = text.partition("-")
    if not dash:
        raise ValueError(f"--dhcp-range {text}: write FIRST-LAST, such as 192.0.2.100-192.0.2.200")
    return IPv4Address(first.strip()), IPv4Address(last.strip())


def _first_line(error: ValueError) -> str:
    """pydantic's message without its frame."""
    errors = getattr(error, "errors", None)
    return str(errors()[0]["msg"]).removeprefix("Value error, ") if errors else str(error)
