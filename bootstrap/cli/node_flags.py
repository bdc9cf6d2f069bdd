"""`undercloud node maintenance`, `protect`, `retire`, `power-policy`: flags beside a node's state."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from bootstrap.cli.console import Format, Output, client, out, show_json
from seed.model import PowerPolicy

Nodes = Annotated[list[str], typer.Argument(help="Names or UUIDs.", metavar="NODE...")]
Reason = Annotated[str | None, typer.Option(help="Why, for whoever looks at the node later.")]


class Switch(StrEnum):
    """What a flag can be."""

    ON = "on"
    OFF = "off"


def register(app: typer.Typer) -> None:
    for command in (maintenance, protect, unprotect, retire, unretire):
        app.command()(command)
    app.command("power-policy")(power_policy)


def maintenance(
    ctx: typer.Context,
    switch: Annotated[
        Switch, typer.Argument(help="Whether somebody works on the machine.", metavar="on|off")
    ],
    nodes: Nodes,
    reason: Reason = None,
    output: Output = Format.TABLE,
) -> None:
    """Keep the seed's hands off nodes, or let it go on; a run that is under way stands still meanwhile.

    Example: `undercloud node maintenance on node-1 node-2 --reason "replacing DIMMs"`
    """
    on = switch is Switch.ON
    words = "in maintenance" if on else "out of maintenance"
    _put(ctx, nodes, output, words, _halted if on else _going_on, maintenance=on, reason=reason)


def _halted(run: dict[str, Any]) -> str:
    return f"stands still at {run['step']} until maintenance ends"


def _going_on(run: dict[str, Any]) -> str:
    return f"goes on at {run['step']}"


def protect(ctx: typer.Context, nodes: Nodes, reason: Reason = None, output: Output = Format.TABLE) -> None:
    """Refuse every verb that destroys data on these nodes."""
    _put(ctx, nodes, output, "protected", protected=True, reason=reason)


def unprotect(ctx: typer.Context, nodes: Nodes, reason: Reason = None, output: Output = Format.TABLE) -> None:
    """Let verbs destroy data on these nodes again."""
    _put(ctx, nodes, output, "not protected", protected=False, reason=reason)


def retire(ctx: typer.Context, nodes: Nodes, reason: Reason = None, output: Output = Format.TABLE) -> None:
    """Give these nodes no new instance; once cleaned, they are not made available again."""
    _put(ctx, nodes, output, "retired", retired=True, reason=reason)


def unretire(ctx: typer.Context, nodes: Nodes, reason: Reason = None, output: Output = Format.TABLE) -> None:
    """Let these nodes get instances again."""
    _put(ctx, nodes, output, "not retired", retired=False, reason=reason)


def power_policy(
    ctx: typer.Context,
    policy: Annotated[
        PowerPolicy,
        typer.Argument(help="Say so, put it back, or take it as it is.", metavar="report|restore|accept"),
    ],
    nodes: Nodes,
    output: Output = Format.TABLE,
) -> None:
    """What to do when a node's power is found other than the seed left it.

    Example: `undercloud node power-policy restore node-1`
    """
    _put(ctx, nodes, output, f"power policy {policy}", power_policy=policy)


def _put(
    ctx: typer.Context,
    nodes: list[str],
    output: Format,
    words: str,
    of_run: Callable[[dict[str, Any]], str] | None = None,
    **wanted: Any,
) -> None:
    """All of these nodes or none; `of_run` words what it means for the run that is under way."""
    rows = client(ctx).post("/nodes/flags", {"nodes": nodes, **wanted})
    if output is Format.JSON:
        show_json(rows)
        return
    for row in rows:
        out.print(f"{row['node']}: {words}{'' if row['changed'] else ' already'}", markup=False)
        if of_run and (run := row["run"]):
            out.print(f"  run {run['id']} ({run['verb']}) {of_run(run)}", markup=False)
