"""`undercloud node firmware`: versions, and updates that the BMC writes by itself."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bootstrap.cli.console import CommandError, Format, Output
from bootstrap.cli.node_bmc import Order, Question, Wait, Yes, look, run
from bootstrap.cli.node_choice import Choice, Every, Nodes, Where

app = typer.Typer(help="Firmware of machines and their BMCs.", no_args_is_help=True)

COLUMNS = {"id": "COMPONENT", "name": "NAME", "version": "VERSION", "updateable": "UPDATEABLE"}


@app.command("list")
def list_firmware(
    ctx: typer.Context,
    nodes: Nodes = None,
    where: Where = None,
    every: Every = False,
    output: Output = Format.TABLE,
) -> None:
    """Show what firmware there is, by component.

    Example: `undercloud node firmware list --where model~R640 -o json`
    """

    def cells(told: dict[str, Any]) -> list[dict[str, Any]]:
        return list(told["components"])

    look(ctx, Question("firmware", "listing firmware"), Choice(nodes, where, every), output, cells, COLUMNS)


@app.command()
def update(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="Where the BMC fetches the image: http:// or https://.")],
    nodes: Nodes = None,
    component: Annotated[
        list[str] | None,
        typer.Option(help="What is to be updated, as `firmware list` names it; may be repeated."),
    ] = None,
    any_component: Annotated[
        bool, typer.Option("--any-component", help="Leave it to the BMC what the image is for.")
    ] = False,
    where: Where = None,
    every: Every = False,
    wait: Wait = True,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Have BMCs fetch and write firmware, followed until they say that it is done.

    Example: `undercloud node firmware update http://10.0.0.1/bios-2.1.bin node-1 --component BIOS`
    """
    if bool(component) == any_component:
        raise CommandError("say which --component (see `undercloud node firmware list`), or --any-component")
    args = {"image": url, "targets": component or []}
    order = Order("firmware update", args, stake, wait, yes)
    run(ctx, order, Choice(nodes, where, every), output)


def stake(node: dict[str, Any]) -> str | None:
    """Some BMCs restart the machine for it, and do not say so before."""
    return "its host may be restarted by its BMC for the update" if node["state"] == "active" else None
