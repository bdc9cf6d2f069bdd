"""The options that commands about images share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_HELP = "Folder that holds the images."
To = Annotated[Path, typer.Option("--output", envvar="UNDERCLOUD_IMAGES", help=_HELP, metavar="DIR")]
In = Annotated[Path, typer.Option("--images", envvar="UNDERCLOUD_IMAGES", help=_HELP, metavar="DIR")]
Force = Annotated[bool, typer.Option("--force", help="Build again even if the image is up to date.")]
