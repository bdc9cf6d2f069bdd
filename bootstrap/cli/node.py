"""`undercloud node`: look at nodes, change them, and ask for the verbs of the lifecycle."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer

from bootstrap.cli import (
    bmc_stats,
    history,
    node_bmc_bios,
    node_bmc_boot,
    node_bmc_console,
    node_bmc_firmware,
    node_bmc_health,
    node_bmc_led,
    node_bmc_media,
    node_bmc_power,
    node_bmc_raid,
    node_boot,
    node_flags,
    node_verbs,
    node_view,
)
from bootstrap.cli.console import CommandError, Format, Output, client, out, show, show_json, text
from bootstrap.cli.node_choice import natural
from bootstrap.ssh import SSH
from seed.model import BootInterface

app = typer.Typer(help="Nodes and the verbs of their lifecycle.", no_args_is_help=True)

Node = Annotated[str, typer.Argument(help="Name or UUID.")]
NOTHING = "none"  # what is typed to have something forgotten


@app.command("list")
def list_nodes(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """List all nodes."""
    rows = client(ctx).get("/nodes", detail=output is Format.JSON or None)
    rows.sort(key=lambda node: natural(node["name"]))
    if output is Format.JSON:
        show_json(rows)
        return
    found = [node_view.row(node) for node in rows]
    show(found, node_view.columns(found), output)


@app.command("show")
def show_node(ctx: typer.Context, node: Node, output: Output = Format.TABLE) -> None:
    """Show all that is known about a node."""
    found = client(ctx).get(f"/nodes/{node}")
    if output is Format.JSON:
        show_json(found)
        return
    for key, value in node_view.lines(found):
        out.print(f"{key:20} {value}", markup=False, soft_wrap=True)
    _inventory(found["inventory"] or {})


def _inventory(inventory: dict[str, Any]) -> None:
    if not inventory:
        out.print("inventory            none yet: `undercloud node inspect`")
        return
    cpu = inventory["cpu"]
    out.print(f"cpu                  {cpu['count']} x {cpu['model'] or cpu['architecture']}", markup=False)
    out.print(f"memory               {inventory['memory_mib']} MiB")
    for disk in inventory["disks"]:
        size = f"{(disk['size_bytes'] or 0) / 1e9:.1f} GB"
        out.print(f"disk                 {disk['name']} {size} serial {text(disk['serial'])}", markup=False)
    for nic in inventory["nics"]:
        out.print(f"nic                  {nic['name']} {nic['mac']} {text(nic['ipv4'])}", markup=False)


@app.command()
def enroll(
    ctx: typer.Context,
    bmc: Annotated[str, typer.Argument(help="Such as ipmi://10.0.0.5 or redfish://bmc7.")],
    credentials: Annotated[str, typer.Option(help="Which log-in to use.")],
    name: Annotated[str | None, typer.Option(help="What to call the node.")] = None,
    mac: Annotated[list[str] | None, typer.Option(help="A NIC that it boots from; may be repeated.")] = None,
) -> None:
    """Record one machine by its BMC.

    Example: `undercloud node enroll ipmi://10.0.0.5 --credentials rack1 --mac 52:54:00:12:34:56`
    """
    body = {"bmc": bmc, "credentials": credentials, "name": name, "macs": mac or []}
    node = client(ctx).post("/nodes", body)
    out.print(f"Node '{node['name']}' is enrolled. Next: `undercloud node manage {node['name']}`")


@app.command("set")
def set_node(
    ctx: typer.Context,
    node: Node,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    bmc: Annotated[
        str | None, typer.Option(help="Where its BMC is, as long as the node is in 'enroll'.")
    ] = None,
    credentials: Annotated[str | None, typer.Option(help="Another log-in.")] = None,
    mac: Annotated[list[str] | None, typer.Option(help="All MACs of the node; may be repeated.")] = None,
    secure_boot: Annotated[
        bool | None,
        typer.Option(help="Whether its UEFI takes signed loaders alone, where its BMC does not tell."),
    ] = None,
    console: Annotated[
        str | None,
        typer.Option(
            metavar="URL|none",
            help="Where a console server has its serial port: tcp://HOST:PORT or telnet://HOST:PORT.",
        ),
    ] = None,
    boot_interface: Annotated[
        BootInterface | None,
        typer.Option(
            help="Whether it boots the ramdisk over the network, or from an ISO in its BMC's drive."
        ),
    ] = None,
    ramdisk_network: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|none",
            help="What the ramdisk configures its network by instead of DHCP: OpenStack's network_data.json "
            "(NICs by MAC, bonds, VLANs, static addresses).",
        ),
    ] = None,
) -> None:
    """Change what was typed in by hand.

    Examples: `undercloud node set node-1 --console telnet://acs1.rack7:7001` (`--console none` forgets it)

    `undercloud node set node-2 --boot-interface virtual-media --ramdisk-network node-2.json`
    """
    body: dict[str, Any] = {"name": name, "bmc": bmc, "credentials": credentials, "macs": mac}
    body |= {"console": console, "boot_interface": boot_interface, "secure_boot": secure_boot}
    given: dict[str, Any] = {key: value for key, value in body.items() if value is not None}
    if console == NOTHING:
        given["console"] = None
    if ramdisk_network is not None:
        given["ramdisk_network"] = _network_data(ramdisk_network)
    if not given:
        raise CommandError(f"say what to change of '{node}': undercloud node set --help")
    changed = client(ctx).call("PATCH", f"/nodes/{node}", given)
    out.print(f"Node '{changed['name']}' is changed.")


def _network_data(file: str) -> Any:
    if file == NOTHING:
        return None
    try:
        return json.loads(Path(file).read_text())
    except OSError as error:
        raise CommandError(f"--ramdisk-network {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"--ramdisk-network {file} is no text") from None
    except ValueError as error:
        raise CommandError(f"--ramdisk-network {file} is no JSON: {error}") from None


@app.command()
def forget(ctx: typer.Context, node: Node) -> None:
    """Remove the record of a node that runs no host; the machine is not touched."""
    client(ctx).call("DELETE", f"/nodes/{node}")
    out.print(f"Node '{node}' is forgotten.")


@app.command(context_settings={"ignore_unknown_options": True})
def ssh(
    ctx: typer.Context,
    node: Node,
    command: Annotated[list[str] | None, typer.Argument(help="What to run there.")] = None,
    identity: Annotated[
        Path | None, typer.Option(envvar="UNDERCLOUD_SSH_KEY", help="The private key to log in with.")
    ] = None,
    user: Annotated[str, typer.Option(help="The user that the image has.")] = "debian",
) -> None:
    """Log in to a node's host; its host key was made by the seed and is verified.

    Example: `undercloud node ssh node-1 -- uptime`
    """
    found = client(ctx).get(f"/nodes/{node}")
    with SSH.to_nodes([found], user=user, identity=identity) as session:
        result = subprocess.run([*session.argv(found["name"]), *(command or [])], check=False)
    raise typer.Exit(result.returncode)


for commands in (node_verbs, node_flags, history, node_boot):
    commands.register(app)
for commands in (node_bmc_boot, node_bmc_console, node_bmc_health, node_bmc_led):
    commands.register(app)
for group in (node_bmc_power, node_bmc_media, node_bmc_bios, node_bmc_firmware, node_bmc_raid):
    app.add_typer(group.app, name=group.__name__.rpartition("_")[2])
app.add_typer(bmc_stats.app, name="bmc")
