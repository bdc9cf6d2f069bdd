"""The `undercloud` command: one file per command group, put together here."""

from __future__ import annotations

from importlib.metadata import entry_points

import typer

from bootstrap.cli import image

app = typer.Typer(
    name="undercloud",
    help="Turn racks of powered-off servers into running hosts.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.add_typer(image.app, name="image")
for plugin in entry_points(group="undercloud.commands"):
    app.add_typer(plugin.load(), name=plugin.name)
