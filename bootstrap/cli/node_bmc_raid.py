"""`undercloud node raid`: volumes of hardware RAID controllers, brought to what a file says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bootstrap.cli import node_loss
from bootstrap.cli.console import Format, Output, client, err, out, show_json
from bootstrap.cli.node_bmc import Order, Question, Wait, Yes, ask, complain, look, start
from bootstrap.cli.node_choice import Choice, Every, Nodes, Where, choose
from profiles.document import load
from seed.operations.target_raid import TargetRAID

app = typer.Typer(help="Volumes of hardware RAID controllers.", no_args_is_help=True)

COLUMNS = {
    "controller": "CONTROLLER",
    "what": "WHAT",
    "name": "NAME",
    "level": "LEVEL",
    "size": "SIZE",
    "disks": "DISKS",
}
GIB = 1024**3


@app.command("show")
def show_raid(
    ctx: typer.Context,
    nodes: Nodes = None,
    where: Where = None,
    every: Every = False,
    output: Output = Format.TABLE,
) -> None:
    """Show controllers, their disks and their volumes.

    Example: `undercloud node raid show node-1`
    """
    look(ctx, Question("raid", "reading controllers"), Choice(nodes, where, every), output, _cells, COLUMNS)


def _cells(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for controller in told["controllers"]:
        about = {"controller": controller["id"]}
        yield {**about, "what": "controller", "name": controller["model"]}
        for volume in controller["volumes"]:
            yield {**about, "what": "volume", **volume, "size": _size(volume)}
        for disk in controller["disks"]:
            serial = f"serial {disk['serial'] or 'unknown'}"
            yield {
                **about,
                "what": disk["kind"] or "disk",
                "name": disk["id"],
                "size": _size(disk),
                "disks": serial,
            }
    if not told["controllers"]:
        yield {"what": "no RAID controller"}


def _size(part: dict[str, Any]) -> str | None:
    return f"{part['size_bytes'] / GIB:.0f} GiB" if part["size_bytes"] else None


@app.command()
def apply(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="YAML: `logical_disks`, as Ironic's target_raid_config.")],
    nodes: Nodes = None,
    where: Where = None,
    every: Every = False,
    wait: Wait = True,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Make the volumes that a file lists, and delete all others; what is so already stays as it is.

    The file: `logical_disks: [{size_gb: MAX, raid_level: "1", number_of_physical_disks: 2}]`

    Example: `undercloud node raid apply volumes.yaml node-1`
    """
    target = load(file, TargetRAID).model_dump(mode="json")
    api, to = client(ctx), err if output is Format.JSON else out
    chosen = choose(api, Choice(nodes, where, every))
    rows = ask(api, Question("raid-plan", "planning", {"target": target}), chosen)
    _refuse(rows)
    plans = {row["uuid"]: row["result"] for row in rows}
    changing = [node for node in chosen if plans[node["uuid"]]["delete"] or plans[node["uuid"]]["create"]]
    for node in chosen:
        for line in _lines(plans[node["uuid"]]):
            to.print(f"{node['name']}: {line}", markup=False, soft_wrap=True)
    if not yes:
        lost = [(node, f"data is lost: {', '.join(plans[node['uuid']]['lost'])}") for node in changing]
        node_loss.ask("raid apply", lost, to)
    if changing:
        agreed = {node["uuid"]: plans[node["uuid"]]["lost"] for node in changing}
        order = Order("raid apply", {"target": target, "lost": agreed}, wait=wait, yes=True)
        start(api, order, changing, output)
    elif output is Format.JSON:
        show_json([])


def _refuse(rows: Sequence[dict[str, Any]]) -> None:
    """Nothing is begun where one of the nodes cannot be brought there."""
    failed = [(row["node"], row["error"] or row["result"]["impossible"]) for row in rows]
    complain([(name, f"nothing was changed: {why}") for name, why in failed if why], len(rows))


def _lines(plan: dict[str, Any]) -> Iterator[str]:
    for volume in plan["keep"]:
        yield f"keeps {volume['name']} (RAID {volume['level']} of {', '.join(volume['disks'])})"
    for each in plan["delete"]:
        yield f"deletes volume {each['volume']['name']} of {each['controller']}"
    for each in plan["create"]:
        volume = each["volume"]
        size = _size(volume) or "all that there is"
        yield f"makes {volume['name']}: RAID {volume['level']}, {size}, of {', '.join(volume['disks'])}"
