"""`undercloud profiles`: what hosts should become."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bootstrap.cli.console import Format, Output, client, out, show
from profiles.document import load
from profiles.site import Site

app = typer.Typer(help="Declared networks and hosts.", no_args_is_help=True)


@app.command()
def apply(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The declaration (YAML), as a whole.")],
) -> None:
    """Declare networks and hosts; enrolled nodes that match take names, MACs, role and maintenance from it.

    No machine is touched: `undercloud apply` does that as well.
    """
    declared = load(file, Site)
    answer = client(ctx).call("PUT", "/profiles", declared.document())
    out.print(f"{answer['hosts']} hosts declared; {answer['matched']} of them are enrolled nodes.")


@app.command("list")
def list_profiles(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """List the declared hosts."""
    rows = client(ctx).get("/profiles").get("hosts", [])
    columns = {
        "name": "NAME",
        "hostname": "HOST NAME",
        "address": "ADDRESS",
        "image": "IMAGE",
        "role": "ROLE",
        "state": "STATE",
        "match": "MATCH",
    }
    show(rows, columns, output)
