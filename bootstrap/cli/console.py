"""How commands speak: tables for people, JSON for programs, one line for each error."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from bootstrap.client import Client, Refused, SeedSilent
from bootstrap.config import DEFAULT_PATH, read
from bootstrap.handoff.host import HandoffFailed
from bootstrap.key import MissingKey
from bootstrap.leading import CannotLead
from bootstrap.listening import CannotListen
from bootstrap.preflight import PreflightFailed
from bootstrap.process import AlreadyRunning, SeedFailed
from bootstrap.ssh import SSHFailed
from hwdrivers.local import UnknownInterface
from profiles.document import DocumentError
from pxe.daemon import DaemonFailed
from pxe.firmware import LoaderMissing
from pxe.images import ImageError
from pxe.process import ProcessError
from pxe.tftp import TFTPFailed
from seed.errors import StoreFailed

# Without emoji: ":ab:" in a MAC is no picture.
out = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False, emoji=False)


class CommandError(RuntimeError):
    """A command cannot go on; the message says what to do."""


EXPECTED = (
    AlreadyRunning,
    CommandError,
    DaemonFailed,
    DocumentError,
    HandoffFailed,
    LoaderMissing,
    ImageError,
    MissingKey,
    CannotLead,
    CannotListen,
    PreflightFailed,
    ProcessError,
    Refused,
    SSHFailed,
    SeedFailed,
    SeedSilent,
    StoreFailed,
    TFTPFailed,
    UnknownInterface,
)


class Commands(TyperGroup):
    """The one place where errors become words and exit codes; a traceback means a bug."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            err.print(f"error: {error}", style="red", soft_wrap=True, markup=False)
            raise typer.Exit(1) from None
        except PermissionError as error:
            err.print(
                f"error: {error.filename}: {error.strerror}; try again as root",
                style="red",
                soft_wrap=True,
                markup=False,
            )
            raise typer.Exit(1) from None


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


Output = Annotated[Format, typer.Option("--output", "-o", help="How to print the result.")]


def config_path(ctx: typer.Context) -> Path:
    """The configuration file that was named on the command line."""
    path: Path = ctx.obj or DEFAULT_PATH
    return path


def client(ctx: typer.Context) -> Client:
    """A client for the configured seed."""
    path = config_path(ctx)
    if not path.exists():
        raise CommandError(f"{path} does not exist: run `undercloud init` first, or name it with --config")
    return Client(read(path))


# Long texts that would tear a table apart; they are whole in JSON and in what shows one thing.
ONE_LINE = {"last_error"}


def show(rows: list[dict[str, Any]], columns: dict[str, str], output: Format) -> None:
    """Print `rows`: as JSON whole, as a table the `columns` (key: title)."""
    if output is Format.JSON:
        show_json(rows)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key, title in columns.items():
        table.add_column(title, no_wrap=key in ONE_LINE, overflow="ellipsis" if key in ONE_LINE else "fold")
    for row in rows:
        table.add_row(*(text(row.get(key)) for key in columns))
    out.print(table, markup=False)  # texts of BMCs and ramdisks are in it


def show_json(content: Any) -> None:
    """For programs: no colours, no wrapping."""
    typer.echo(json.dumps(content, indent=2, default=str))


def text(value: Any) -> str:
    """A cell."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
