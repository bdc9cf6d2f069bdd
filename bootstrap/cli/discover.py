"""`undercloud discover`: which BMCs answer in a range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bootstrap.cli.console import CommandError, Format, Output, client, err, out, show

EXAMPLES = """
Examples:

    undercloud discover 10.0.0.0/24 --credentials rack1

    undercloud discover 10.0.0.10-50 10.0.1.0/28 --credentials rack1 --enroll -o json
"""
COLUMNS = {
    "address": "BMC",
    "protocol": "PROTOCOL",
    "vendor": "VENDOR",
    "model": "MODEL",
    "serial": "SERIAL",
    "power": "POWER",
    "outcome": "OUTCOME",
    "node": "NODE",
}


def register(app: typer.Typer) -> None:
    app.command("discover", epilog=EXAMPLES)(discover)


def discover(
    ctx: typer.Context,
    ranges: Annotated[list[str], typer.Argument(help="10.0.0.0/24, 10.0.0.10-50 or one address.")],
    credentials: Annotated[str, typer.Option(help="Which log-in to try, once on each BMC.")],
    enroll: Annotated[bool, typer.Option("--enroll", help="Record what lets us in.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Scan for BMCs over IPMI and Redfish and say who they are; exit code 1 when one refused the log-in."""
    body = {"ranges": ranges, "credentials": credentials, "enroll": enroll}
    rows = _watch(client(ctx).stream("/discoveries", body))
    rows.sort(key=lambda row: row["address"])
    if rows or output is Format.JSON:
        show(rows, COLUMNS, output)
    for row in rows:
        if row["error"]:
            err.print(row["error"], style="red", markup=False, soft_wrap=True)
    if not rows:
        raise CommandError(
            f"nothing answers in {', '.join(ranges)}: are the BMCs cabled, and is this their network?"
        )
    if output is Format.TABLE and enroll:
        out.print("Next: `undercloud node manage --all`, then `inspect`, `provide` and `deploy`.")
    if any(row["error"] for row in rows):
        raise typer.Exit(1)


def _watch(documents: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """The machines; a bar on a terminal while they are looked for. Ctrl-C keeps what was found."""
    rows: list[dict[str, Any]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("scanning", total=None)
        try:
            for document in documents:
                if "machine" in document:
                    rows.append(document["machine"])
                else:
                    step = document["progress"]
                    bar.update(task, completed=step["probed"], total=step["total"])
        except KeyboardInterrupt:
            err.print("Stopped; this is what was found so far.")
    return rows
