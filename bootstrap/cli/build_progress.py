"""How work on images is shown while it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from bootstrap.cli.console import err, out
from pxe.adding.download import Report


class ConsoleProgress:
    """One line per phase with its seconds; a spinner while it runs where there is a terminal."""

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Print the phase when it ends, also when it fails."""
        began = time.monotonic()
        ended = "failed: "
        try:
            with out.status(title) if out.is_terminal else _plainly():
                yield
            ended = ""
        finally:
            out.print(f"  {time.monotonic() - began:6.1f} s  {ended}{title}", soft_wrap=True, markup=False)

    def note(self, text: str) -> None:
        """A line that stays."""
        out.print(f"  note: {text}", style="yellow", soft_wrap=True, markup=False)


@contextmanager
def _plainly() -> Iterator[None]:
    yield


@contextmanager
def transfer(title: str) -> Iterator[Report]:
    """A bar of bytes, where there is a terminal."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(
        TextColumn("{task.description}", markup=False),
        *columns,
        console=err,
        transient=True,
        disable=not err.is_terminal,
    ) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
