"""What a discovery shows: rows as they are found on a terminal, and the whole at the end in any format."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from bootstrap.cli.console import Format, err, out, show, show_json, text
from hwdrivers.address import natural

Row = dict[str, Any]

COLUMNS = {
    "address": "BMC",
    "protocols": "PROTOCOLS",
    "vendor": "VENDOR",
    "model": "MODEL",
    "serial": "SERIAL",
    "uuid": "UUID",
    "firmware": "FIRMWARE",
    "power": "POWER",
    "login": "LOG-IN",
    "outcome": "OUTCOME",
    "change": "CHANGE",
    "node": "NODE",
}
PLACES = {
    "rack": "RACK",
    "slot": "SLOT",
    "name": "NAME",
    "status": "STATUS",
    "serial": "SERIAL",
    "address": "BMC",
    "detail": "DETAIL",
}
MORE = ("also", "mac", "detail", "findings", "error")  # in CSV, beside the columns
_WIDE = 200  # characters: a UUID alone has 36


class DiscoverFormat(StrEnum):
    """How a discovery is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclass
class Found:
    """What was told so far; `machines` by address, with what is gone."""

    machines: dict[str, Row] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    manifest: list[Row] | None = None
    failed: str | None = None
    interrupted: bool = False

    def take(self, document: Row) -> None:
        """One line of the stream. A row replaces the one that it is about."""
        for key in ("found", "machine", "gone"):
            if (row := document.get(key)) is not None:
                # A service with several systems has a row for each instead of one of its own.
                service = row["address"].partition("/redfish/v1/Systems/")[0]
                for address in (row["address"], service, *row["also"]):
                    self.machines.pop(address, None)
                    self.asked.discard(address)
                self.machines[row["address"]] = row
        if "found" in document:
            self.asked.add(document["found"]["address"])
        self.manifest = document.get("manifest", self.manifest)
        self.failed = document.get("failed", self.failed)

    @property
    def rows(self) -> list[Row]:
        """In the order of their addresses."""
        return sorted(self.machines.values(), key=lambda row: natural(row["address"]))


def watch(documents: Generator[Row, None, None]) -> Found:
    """Everything that is told; Ctrl-C keeps what was found."""
    found = Found()
    try:
        with _live(found) as progress:
            for document in documents:
                found.take(document)
                progress(document.get("progress"))
    except KeyboardInterrupt:
        found.interrupted = True
        documents.close()  # the seed sees that nobody listens any more, and writes down what it has
    return found


@contextmanager
def _live(found: Found) -> Iterator[Any]:
    """On a terminal the last rows and a bar, redrawn as things are told; nothing elsewhere."""
    bar = ProgressBar(total=None, width=40)
    state = {"probed": 0, "total": 0}

    def render() -> RenderableType:
        shown = list(found.machines.values())[-max(3, err.height - 6) :]
        line = Table.grid(padding=(0, 1))
        counts = f"{len(found.machines)} BMCs found, {len(found.asked)} of them being asked who they are"
        line.add_row("scanning", bar, f"{state['probed']}/{state['total']}", counts)
        return Group(table(shown, err), line) if shown else line

    if not err.is_terminal:
        yield lambda step: None
        return
    with Live(get_renderable=render, console=err, transient=True, refresh_per_second=8):

        def progress(step: dict[str, int] | None) -> None:
            if step is not None:
                state.update(step)
                bar.update(step["probed"], step["total"] or None)

        yield progress


def table(rows: Sequence[Row], console: Console) -> Table:
    """The rows as a terminal of this width can show them; each cell in one line."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    columns = {key: title for key, title in COLUMNS.items() if key != "uuid" or console.width >= _WIDE}
    for title in columns.values():
        shown.add_column(title, no_wrap=True, overflow="ellipsis")
    for row in rows:
        shown.add_row(*(text(row.get(key)) for key in columns))
    return shown


def print_found(found: Found, output: DiscoverFormat) -> None:
    """All of it, on standard output."""
    if output is DiscoverFormat.JSON:
        report = {"machines": found.rows, "manifest": found.manifest}
        show_json(found.rows if found.manifest is None else report)
    elif output is DiscoverFormat.CSV:
        rows, columns = (
            (found.rows, (*COLUMNS, *MORE)) if found.manifest is None else (found.manifest, PLACES)
        )
        typer.echo(_csv(rows, columns), nl=False)
    else:
        if found.machines:
            columns = {key: title for key, title in COLUMNS.items() if key != "uuid" or out.width >= _WIDE}
            show(found.rows, columns, Format.TABLE)
        if found.manifest is not None:
            out.print("\nAgainst the manifest:")
            show(found.manifest, PLACES, Format.TABLE)


def _csv(rows: Iterable[Row], columns: Iterable[str]) -> str:
    names = list(columns)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in names])
    return written.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)
