"""Where the lab's commands end when they cannot go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from vmlab.errors import LabError


@contextmanager
def explained(err: Console) -> Iterator[None]:
    """Expected failures end the command with their words, and nothing else."""
    try:
        yield
    except LabError as error:
        err.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from None
