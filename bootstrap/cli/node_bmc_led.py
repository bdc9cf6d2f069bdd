"""`undercloud node led`: the light that shows which machine is meant."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from bootstrap.cli.console import Format, Output
from bootstrap.cli.node_bmc import Question, look
from bootstrap.cli.node_choice import Choice, Every, Nodes, Where

WORDS = {True: "on", False: "off", None: "unknown"}


class Wish(StrEnum):
    """What is to be done with it."""

    ON = "on"
    OFF = "off"
    STATUS = "status"


def register(app: typer.Typer) -> None:
    app.command()(led)


def led(
    ctx: typer.Context,
    wish: Annotated[Wish, typer.Argument(metavar="on|off|status", help="Whether it is to be lit.")],
    nodes: Nodes = None,
    where: Where = None,
    every: Every = False,
    output: Output = Format.TABLE,
) -> None:
    """Switch the identify LED, or ask for it.

    Example: `undercloud node led on node-1`
    """
    question = Question("led", "asking for LEDs")
    if wish is not Wish.STATUS:
        question = Question("led-set", f"switching LEDs {wish}", {"on": wish is Wish.ON})

    def cells(told: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"lit": WORDS[told["lit"]]}]

    look(ctx, question, Choice(nodes, where, every), output, cells, {"lit": "LED"})
