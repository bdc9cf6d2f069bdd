"""`undercloud handoff`: running hosts become what they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bootstrap.cli.console import CommandError, Format, Output, client, err, out, show, show_json
from bootstrap.client import Client
from bootstrap.handoff import ansible
from bootstrap.handoff.host import Host, RoleHandoff
from bootstrap.handoff.site import Site
from bootstrap.ssh import SSH
from profiles.hosts import Role
from pxe.images import load_container

EXAMPLES = """
Examples:

    undercloud handoff

    undercloud handoff --artefacts ./site --identity ~/.ssh/id_ed25519
"""


def register(app: typer.Typer) -> None:
    app.command("handoff", epilog=EXAMPLES)(handoff)


def handoff(
    ctx: typer.Context,
    artefacts: Annotated[
        Path | None, typer.Option("--artefacts", help="Where inventory and keys go; default: in the state.")
    ] = None,
    identity: Annotated[
        Path | None, typer.Option(envvar="UNDERCLOUD_SSH_KEY", help="The private key to log in with.")
    ] = None,
    user: Annotated[str, typer.Option(help="The user that the image has.")] = "debian",
    output: Output = Format.TABLE,
) -> None:
    """Give every active host its declared role, check that it serves, and write an Ansible inventory."""
    api = client(ctx)
    nodes = _active(api)
    hosts = tuple(Host.from_node(node) for node in nodes)
    directory = (artefacts or api.config.state_dir / "handoff").absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with SSH.to_nodes(nodes, user=user, identity=identity) as ssh:
        site = Site(hosts, _roles(api, hosts, directory), ssh, directory)
        outcomes = site.hand_over(lambda line: err.print(f"  {line}", markup=False, soft_wrap=True))
        inventory = site.inventory()
    rows = [
        {
            "name": o.host.name,
            "role": o.host.role.value if o.host.role else None,
            "address": o.host.address,
            "evidence": o.evidence,
            "error": o.error,
        }
        for o in outcomes
    ]
    for row in rows:
        api.post(
            f"/nodes/{row['name']}/handoff", {"role": row["role"], "said": row["evidence"] or row["error"]}
        )
    if output is Format.TABLE:
        show(rows, {"name": "HOST", "role": "ROLE", "address": "ADDRESS", "evidence": "SEEN"}, output)
    served = tuple(o.host for o in outcomes if o.error is None)
    findings = [ansible.validate(inventory, hosts), *([ansible.ping(inventory, served)] if served else [])]
    if output is Format.JSON:
        show_json({"hosts": rows, "inventory": str(inventory), "findings": findings})
    else:
        out.print(f"{inventory}: {'; '.join(findings)}", soft_wrap=True, markup=False)
    if any(o.error for o in outcomes):
        raise typer.Exit(1)


def _active(api: Client) -> list[dict[str, Any]]:
    nodes = api.get("/nodes", detail=True)
    for node in nodes:
        if node["state"] != "active":
            err.print(f"  {node['name']} is left out: it is '{node['state']}'", style="yellow", markup=False)
    active = [node for node in nodes if node["state"] == "active"]
    for node in active:
        if not node["instance"]["address"]:
            err.print(f"  {node['name']} is left out: no address is declared for it", style="yellow")
    active = [node for node in active if node["instance"]["address"]]
    if not active:
        raise CommandError(
            "no node is active, so there is no host to hand over: `undercloud node deploy` first"
        )
    return active


def _roles(api: Client, hosts: tuple[Host, ...], directory: Path) -> list[RoleHandoff]:
    """The hand-offs that these hosts need; what each needs is read before any host is touched."""
    from bootstrap.handoff import cluster_secrets
    from bootstrap.handoff.control_plane import ControlPlane
    from bootstrap.handoff.kubernetes import Kubernetes

    wanted = {host.role for host in hosts}
    roles: list[RoleHandoff] = []
    if Role.CONTROL_PLANE in wanted:
        roles.append(ControlPlane(load_container(api.config.images_dir, "etcd")))
    if Role.KUBERNETES in wanted:
        members = tuple(host for host in hosts if host.role is Role.KUBERNETES)
        roles.append(Kubernetes(members, cluster_secrets.keep(directory / "kubernetes")))
    return roles
