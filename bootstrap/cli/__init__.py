"""The `undercloud` command: one file per command group, put together here."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from bootstrap.cli import (
    bmc,
    credentials,
    discover,
    doctor,
    events,
    handoff,
    image,
    init,
    lifecycle,
    node,
    plan,
    profiles,
    report,
    rollout,
    seed,
    why,
)
from bootstrap.cli.console import Commands
from bootstrap.config import DEFAULT_PATH

app = typer.Typer(
    name="undercloud",
    cls=Commands,
    help="Turn racks of powered-off servers into running hosts.\n\nStart with `undercloud init`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


@app.callback()
def main(
    ctx: typer.Context,
    config: Annotated[
        Path, typer.Option("--config", envvar="UNDERCLOUD_CONFIG", help="The seed's configuration file.")
    ] = DEFAULT_PATH,
) -> None:
    """Keep what every command needs."""
    ctx.obj = config


for command in (init, doctor, discover, plan, events, why, handoff, report):
    command.register(app)
for group in (bmc, credentials, image, lifecycle, node, profiles, rollout, seed):
    app.add_typer(group.app, name=group.__name__.rsplit(".", 1)[-1])
for plugin in entry_points(group="undercloud.commands"):
    app.add_typer(plugin.load(), name=plugin.name)
