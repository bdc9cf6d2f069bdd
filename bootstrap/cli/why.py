"""`undercloud why`: why a machine does not boot, and what to do about it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bootstrap.cli.console import Format, Output, client, out, show_json
from bootstrap.cli.events import local

STYLES = {"up": "green", "under way": "yellow", "stuck": "red"}
AT = {"up": "is up", "under way": "is on its way to", "stuck": "is stuck before"}


def register(app: typer.Typer) -> None:
    app.command("why")(why)


def why(
    ctx: typer.Context,
    node: Annotated[str, typer.Argument(help="Name or UUID.")],
    output: Output = Format.TABLE,
) -> None:
    """Tell why a machine does not boot: the first missing hop, the evidence, and what to do.

    Example: `undercloud why node-1`
    """
    found = client(ctx).get(f"/nodes/{node}/why")
    if output is Format.JSON:
        show_json(found)
        return
    show_diagnosis(found["node"], found)
    if found["verdict"] == "stuck":
        out.print(f"\nThe whole way: `undercloud node boot {found['node']}`", markup=False)


def show_diagnosis(name: str, found: dict[str, Any]) -> None:
    """A diagnosis as a person reads it."""
    verdict = found["verdict"]
    hop = "" if verdict == "up" else f" the {found['hop']}"
    out.print(f"{name} {AT[verdict]}{hop}", style=f"bold {STYLES[verdict]}", markup=False, end="")
    out.print(f"  [{found['id']}]" if verdict == "stuck" else "", style="dim", markup=False)
    out.print(f"{found['summary']}.", markup=False)
    if found["evidence"]:
        _part("Seen", _evidence(found["evidence"]))
    if found["causes"]:
        _part("Likely, in this order", _causes(found["causes"]))


def _part(title: str, rows: Table) -> None:
    out.print(f"\n{title}", style="bold")
    out.print(rows)


def _evidence(told: list[dict[str, Any]]) -> Table:
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(no_wrap=True, style="dim")
    for each in told:
        rows.add_row(f"  {local(each['at']) if each['at'] else ''}", Text(each["text"]))
    return rows


def _causes(causes: list[dict[str, Any]]) -> Table:
    rows = Table.grid(padding=(0, 1, 0, 0))
    for number, cause in enumerate(causes, 1):
        rows.add_row(f"  {number}.", Text(cause["what"]))
        rows.add_row("   ", Text(f"→ {cause['do']}", style="cyan"))
    return rows
