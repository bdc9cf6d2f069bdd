"""`undercloud image`: build, list and verify what machines boot and what is written to their disks."""

from __future__ import annotations

import typer

app = typer.Typer(help="Build, list and verify images.", no_args_is_help=True)
