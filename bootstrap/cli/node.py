"""`undercloud node`: look at nodes, change them, and ask for the verbs of the lifecycle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bootstrap.cli import follow, history, node_flags, node_view
from bootstrap.cli.console import CommandError, Format, Output, client, err, out, show, show_json, text
from bootstrap.client import Client, Refused
from bootstrap.ssh import SSH
from seed.lifecycle import ironic_39

app = typer.Typer(help="Nodes and the verbs of their lifecycle.", no_args_is_help=True)

VERBS = {
    "manage": "Log in to the BMC and take the node under management.",
    "inspect": "Boot the ramdisk and record CPU, memory, disks and NICs.",
    "provide": "Clean the disks and make the node available.",
    "deploy": "Write the declared image to the chosen disk and boot it.",
    "rebuild": "Deploy again, over what is on the disk.",
    "delete": "Switch the host off, clean its disks, make the node available again.",
    "abort": "Give up what is under way, where that is safe.",
}

GRAPH = ironic_39()

Nodes = Annotated[list[str] | None, typer.Argument(help="Names or UUIDs.", metavar="[NODE]...")]
Node = Annotated[str, typer.Argument(help="Name or UUID.")]


@app.command("list")
def list_nodes(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """List all nodes."""
    rows = client(ctx).get("/nodes", detail=output is Format.JSON or None)
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
    credentials: Annotated[str | None, typer.Option(help="Another log-in.")] = None,
    mac: Annotated[list[str] | None, typer.Option(help="All MACs of the node; may be repeated.")] = None,
) -> None:
    """Change what was typed in by hand."""
    body = {"name": name, "credentials": credentials, "macs": mac}
    changed = client(ctx).call("PATCH", f"/nodes/{node}", {k: v for k, v in body.items() if v is not None})
    out.print(f"Node '{changed['name']}' is changed.")


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


def _verb(verb: str) -> Callable[..., None]:
    def act(
        ctx: typer.Context,
        nodes: Nodes = None,
        every: Annotated[bool, typer.Option("--all", help="Every node that is in a state for it.")] = False,
        wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end.")] = True,
        yes: Annotated[
            bool, typer.Option("--yes", "-y", help="Do not ask before data is destroyed.")
        ] = False,
        output: Output = Format.TABLE,
    ) -> None:
        api = client(ctx)
        to = err if output is Format.JSON else out
        chosen = _choose(api, verb, nodes or [], every, to)
        at_stake = [] if yes else [(node, loss) for node in chosen if (loss := _loss(verb, node))]
        if at_stake:
            _confirm(verb, at_stake, to)
        since = follow.newest_event(api)
        started, refused = _start(api, verb, chosen, to)
        if not api.seed_runs and started:
            err.print("No seed runs, so nothing moves yet: `undercloud seed start`", style="yellow")
        ended = follow.until_done(api, started, since, to) if wait and api.seed_runs else started
        if output is Format.JSON:
            show_json(ended)
        if refused or any(run["state"] in ("failed", "aborted") for run in ended):
            raise typer.Exit(1)

    return act


def _choose(api: Client, verb: str, names: list[str], every: bool, to: Console) -> list[dict[str, Any]]:
    if every == bool(names):
        raise CommandError(f"name the nodes, or say --all: undercloud node {verb} node-1")
    if not every:
        return [api.get(f"/nodes/{name}") for name in names]
    nodes = api.get("/nodes", detail=True)
    fitting = [node for node in nodes if verb in node["verbs"] and not node["run"]]
    for node in nodes:
        if node not in fitting:
            busy = f", run {node['run']['id']} ({node['run']['verb']}) is under way" if node["run"] else ""
            to.print(f"{node['name']}: nothing to {verb} in state '{node['state']}'{busy}", markup=False)
    return fitting


def _loss(verb: str, node: dict[str, Any]) -> str | None:
    """What `verb` destroys on this node, in words; None when it destroys nothing."""
    if any(e.destructive for e in GRAPH.transitions if (e.source, e.event) == (node["state"], verb)):
        disks = (node["inventory"] or {}).get("disks", [])
        listed = ", ".join(f"{d['name']} serial {d['serial'] or 'unknown'}" for d in disks)
        return f"data on its disks is lost: {listed or 'not inspected yet'}"
    if verb == "inspect" and node["power"] == "power on" and node["next_boot"] != "ramdisk":
        return "it is powered on, and is switched off without asking what runs there"
    return None


def _confirm(verb: str, at_stake: list[tuple[dict[str, Any], str]], to: Console) -> None:
    for node, loss in at_stake:
        to.print(f"{node['name']} ({node['state']}): {loss}", markup=False, soft_wrap=True)
    if not sys.stdin.isatty():
        raise CommandError("nothing was changed: nobody can be asked here, so say --yes if this is meant")
    if not typer.confirm(f"{verb} {len(at_stake)} node(s)?", default=False, err=to is err):
        raise CommandError("nothing was changed")


def _start(
    api: Client, verb: str, nodes: list[dict[str, Any]], to: Console
) -> tuple[list[dict[str, Any]], int]:
    started, refused = [], 0
    for node in nodes:
        try:
            answer = api.post(f"/nodes/{node['uuid']}/verbs/{verb}")
        except Refused as error:
            refused += 1
            err.print(f"{node['name']}: {error}", style="red", markup=False, soft_wrap=True)
            continue
        if answer["run"]:
            started.append(answer["run"])
        else:
            to.print(f"{node['name']}: {answer['node']['state']}")
    return started, refused


def _register_verbs() -> None:
    offered = {edge.event for edge in GRAPH.transitions if edge.kind == "verb"}
    for verb in [*VERBS, *sorted(offered - VERBS.keys())]:
        app.command(verb, help=VERBS.get(verb, "In the graph, not built yet in this release."))(_verb(verb))


_register_verbs()
for commands in (node_flags, history):
    commands.register(app)
