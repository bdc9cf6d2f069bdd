"""`undercloud credentials`: how to log in to BMCs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bootstrap.cli.console import CommandError, Format, Output, client, out, show
from bootstrap.cli.password_file import read_password

app = typer.Typer(help="Named BMC log-ins.", no_args_is_help=True)


@app.command()
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call this log-in.")],
    username: Annotated[str, typer.Option(help="The user name on the BMC.")],
    password_file: Annotated[
        Path | None, typer.Option(help="A file with the password; '-' reads it from standard input.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Accept any TLS certificate of a BMC.")
    ] = False,
    ca_file: Annotated[Path | None, typer.Option(help="Accept certificates that this CA signed.")] = None,
) -> None:
    """Add or replace a log-in. Without --password-file the password is asked for.

    Example: `undercloud credentials add rack1 --username admin --password-file /root/bmc.pass`
    """
    if ca_file and not ca_file.is_file():
        raise CommandError(f"--ca-file {ca_file}: there is no such file")
    body = {
        "username": username,
        "password": read_password(password_file),
        "verify_tls": not insecure,
        "ca_file": str(ca_file.absolute()) if ca_file else None,
    }
    client(ctx).call("PUT", f"/credentials/{name}", body)
    out.print(f"Credentials '{name}' are stored, encrypted.")


@app.command("list")
def list_credentials(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """List the log-ins; passwords are never shown."""
    rows = client(ctx).get("/credentials")
    show(rows, {"name": "NAME", "username": "USER", "verify_tls": "VERIFIES TLS"}, output)

