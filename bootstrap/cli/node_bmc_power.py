"""`undercloud node power`: the power of machines, changed by runs that the journal knows of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from bootstrap.cli.console import Format, Output
from bootstrap.cli.node_bmc import Order, Question, Wait, Yes, look, run
from bootstrap.cli.node_choice import Choice, Every, Nodes, Where

app = typer.Typer(help="Switch machines on and off, and see whether they are.", no_args_is_help=True)

# Each action: what it does, and what becomes of a host that runs there.
ACTIONS = {
    "on": ("Switch machines on.", None),
    "off": ("Cut the power.", "is cut off without being asked"),
    "soft": (
        "Ask the operating system to shut down, and wait two minutes for it; power is not cut.",
        "is shut down",
    ),
    "cycle": ("Cut the power, see that it is off, and switch on again.", "is cut off without being asked"),
    "reset": ("Have machines start anew at once.", "is cut off without being asked"),
}
WITHOUT_HOST = ("enroll", "manageable", "available")


def _change(action: str) -> Callable[..., None]:
    def act(
        ctx: typer.Context,
        nodes: Nodes = None,
        where: Where = None,
        every: Every = False,
        wait: Wait = True,
        yes: Yes = False,
        output: Output = Format.TABLE,
    ) -> None:
        order = Order(f"power {action}", stake=lambda node: stake(action, node), wait=wait, yes=yes)
        run(ctx, order, Choice(nodes, where, every), output)

    return act


def stake(action: str, node: dict[str, Any]) -> str | None:
    """What happens to the host of this node; None when there is none, or nothing happens to it."""
    fate = ACTIONS[action][1]
    if fate is None or node["state"] in WITHOUT_HOST or node["power"] == "power off":
        return None
    return f"its host {fate}"


for name, (does, _) in ACTIONS.items():
    example = (
        f"undercloud node power {name} --where model~R640"
        if name == "on"
        else f"undercloud node power {name} node-1"
    )
    app.command(name, help=f"{does}\n\nExample: `{example}`")(_change(name))


@app.command("status")
def status(
    ctx: typer.Context,
    nodes: Nodes = None,
    where: Where = None,
    every: Every = False,
    output: Output = Format.TABLE,
) -> None:
    """Ask the BMCs now whether their machines have power.

    Example: `undercloud node power status --all`
    """
    question = Question("power-status", "asking for power")
    look(ctx, question, Choice(nodes, where, every), output, lambda told: [told], {"power": "POWER"})
