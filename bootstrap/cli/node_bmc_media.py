"""`undercloud node media`: images in the virtual drives of machines."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bootstrap.cli.console import Format, Output
from bootstrap.cli.node_bmc import Question, look
from bootstrap.cli.node_choice import Choice, Every, Nodes, Where

app = typer.Typer(help="Images in the virtual drives of machines.", no_args_is_help=True)

COLUMNS = {"id": "DRIVE", "kinds": "TAKES", "image": "IMAGE"}


def _cells(told: dict[str, Any]) -> list[dict[str, Any]]:
    slots: list[dict[str, Any]] = told["slots"]
    return slots


@app.command("list")
def list_media(
    ctx: typer.Context,
    nodes: Nodes = None,
    where: Where = None,
    every: Every = False,
    output: Output = Format.TABLE,
) -> None:
    """Show the virtual drives, and what is in them.

    Example: `undercloud node media list --all`
    """
    look(ctx, Question("media", "listing drives"), Choice(nodes, where, every), output, _cells, COLUMNS)


@app.command()
def attach(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="Where the BMC fetches the image: http:// or https://.")],
    nodes: Nodes = None,
    kind: Annotated[str, typer.Option(help="CD, DVD, USBStick or Floppy.")] = "CD",
    where: Where = None,
    every: Every = False,
    output: Output = Format.TABLE,
) -> None:
    """Insert an image; what was in the drive is ejected. `node boot-device cdrom` boots from it.

    Example: `undercloud node media attach http://10.0.0.1/rescue.iso node-1`
    """
    question = Question("media-attach", "inserting", {"image": url, "kind": kind})
    look(ctx, question, Choice(nodes, where, every), output, _cells, COLUMNS)


@app.command()
def detach(
    ctx: typer.Context,
    nodes: Nodes = None,
    kind: Annotated[
        str | None, typer.Option(help="Only drives that take CD, DVD, USBStick or Floppy.")
    ] = None,
    where: Where = None,
    every: Every = False,
    output: Output = Format.TABLE,
) -> None:
    """Eject from the virtual drives.

    Example: `undercloud node media detach node-1`
    """
    question = Question("media-detach", "ejecting", {"kind": kind})
    look(ctx, question, Choice(nodes, where, every), output, _cells, COLUMNS)
