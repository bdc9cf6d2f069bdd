"""`undercloud credentials`: how to log in to BMCs."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bootstrap.cli.console import CommandError, Format, Output, client, err, out, show
from bootstrap.cli.password_file import read_password
from seed.rotation import generated

ROTATE_EXAMPLES = """
Examples:

    undercloud credentials rotate rack1 --all --generate

    undercloud credentials rotate rack1 --all --new-password-file /root/new.pass --yes

    undercloud credentials rotate rack1 node-1 node-2 --generate --save-to /root/rack1.pass
"""

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

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
    columns = {"name": "NAME", "username": "USER", "verify_tls": "VERIFIES TLS", "nodes": "NODES"}
    show(rows, columns, output)


@app.command()
def delete(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What the log-in is called.")],
    yes: Yes = False,
) -> None:
    """Forget a log-in that no node uses.

    Example: `undercloud credentials delete old`
    """
    _confirm(f"Forget credentials '{name}' and their password?", yes)
    client(ctx).call("DELETE", f"/credentials/{quote(name)}")
    out.print(f"Credentials '{name}' are forgotten.", markup=False)


@app.command(epilog=ROTATE_EXAMPLES)
def rotate(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What the log-in is called.")],
    nodes: Annotated[
        list[str] | None, typer.Argument(help="Only the BMCs of these nodes for now.", metavar="[NODE]...")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every node that uses the log-in.")] = False,
    new_password_file: Annotated[
        Path | None, typer.Option(help="A file with the new password; '-' reads it from standard input.")
    ] = None,
    generate: Annotated[bool, typer.Option("--generate", help="Have a new password made up.")] = False,
    save_to: Annotated[
        Path | None, typer.Option(help="With --generate: write it to this new file too (mode 0600).")
    ] = None,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Change a password on the BMCs and here; the old one is given up last.

    Each BMC is told the new password, a log-in with it is verified, and only then its node uses it; where
    that fails the old one is put back. What was interrupted goes on when it is asked again, without options.
    Exit code 1 when a BMC failed, 130 when stopped by Ctrl-C.
    """
    if bool(nodes) == every:
        raise CommandError("name the nodes, or say --all")
    if save_to and not generate:
        raise CommandError("--save-to goes with --generate")
    if generate and new_password_file:
        raise CommandError("say --generate or --new-password-file, not both")
    which = f"{len(nodes)} nodes" if nodes else f"every node that uses '{name}'"
    _confirm(f"Change the password of '{name}' on the BMCs of {which}?", yes)
    body: dict[str, Any] = {"nodes": nodes or None, "generate": generate and not save_to}
    if new_password_file:
        body["password"] = read_password(new_password_file)
    if save_to:
        body["password"] = _saved(save_to)
    _show_rotation(*_follow(client(ctx).stream(f"/credentials/{quote(name)}/rotate", body)), name, output)


def _follow(
    documents: Generator[dict[str, Any], None, None],
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """A row for each BMC, and the summary: None when it was stopped before its end."""
    rows: list[dict[str, Any]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("changing passwords", total=None)
        try:
            for document in documents:
                if "failed" in document:
                    raise CommandError(f"the rotation broke off: {document['failed']}; rotate again")
                if "summary" in document:
                    return rows, document["summary"]
                rows.append(document["bmc"])
                bar.update(task, completed=document["progress"]["done"], total=document["progress"]["total"])
        except KeyboardInterrupt:
            documents.close()
    return rows, None


def _show_rotation(
    rows: list[dict[str, Any]], summary: dict[str, Any] | None, name: str, output: Format
) -> None:
    columns = {"bmc": "BMC", "nodes": "NODES", "outcome": "OUTCOME"}
    show(sorted(rows, key=lambda row: str(row["bmc"])), columns, output)
    for row in rows:
        if row["error"]:
            err.print(row["error"], style="red", markup=False, soft_wrap=True)
    if summary is None:
        err.print(f"Stopped; go on by `undercloud credentials rotate {name} --all`. Nothing is lost.")
        raise typer.Exit(130)
    if summary["finished"]:
        err.print(f"All nodes have the new password; the old one of '{name}' is forgotten.")
    else:
        err.print(
            f"{summary['rotated']} BMCs have the new password, {summary['failed']} failed. Both are kept "
            f"until all have it: `undercloud credentials rotate {name} --all`",
            soft_wrap=True,
        )
    if summary["failed"]:
        raise typer.Exit(1)


def _confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("nothing was changed: nobody can be asked here, so say --yes if this is meant")
    if not typer.confirm(question, default=False, err=True):
        raise CommandError("nothing was changed")


def _saved(file: Path) -> str:
    """A new password, written to a new file before any BMC is told it."""
    password = generated().reveal()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"--save-to {file}: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as new:
        new.write(password + "\n")
        new.flush()
        os.fsync(new.fileno())
    return password
