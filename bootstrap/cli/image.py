"""`undercloud image`: build, list and verify what machines boot and what is written to their disks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bootstrap.cli.console import Format, Output, out, show
from bootstrap.config import IMAGES_DIR
from pxe import images
from pxe.build import container, osimage, ramdisk
from pxe.build.landing import bring
from pxe.build.ramdisk import Kernel
from pxe.build.recipe import Recipe

app = typer.Typer(help="Build, list and verify images.", no_args_is_help=True)

_HELP = "Folder that holds the images."
To = Annotated[Path, typer.Option("--output", envvar="UNDERCLOUD_IMAGES", help=_HELP, metavar="DIR")]
In = Annotated[Path, typer.Option("--images", envvar="UNDERCLOUD_IMAGES", help=_HELP, metavar="DIR")]
Force = Annotated[bool, typer.Option("--force", help="Build again even if the image is up to date.")]
For = Annotated[
    Kernel, typer.Option("--kernel", help="cloud: virtual machines. generic: hardware, with firmware.")
]


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


def build(recipe: Recipe, images_dir: Path, force: bool) -> None:
    """Build one image and say where it is."""
    began = time.monotonic()
    landed = bring(recipe, images_dir, ConsoleProgress(), force=force)
    seconds, size = time.monotonic() - began, landed.manifest.size / 1e6
    how = f"built in {seconds:.0f} s" if landed.built_now else f"up to date, built {landed.manifest.built}"
    out.print(f"{recipe.name}: {how}, {size:.0f} MB, {landed.folder}", soft_wrap=True, markup=False)


@app.command()
def build_ramdisk(kernel: For = Kernel.CLOUD, output: To = IMAGES_DIR, force: Force = False) -> None:
    """Build the deploy ramdisk that runs ironic-python-agent."""
    build(ramdisk.recipe(kernel), output, force)


@app.command()
def build_os(
    name: Annotated[str, typer.Option(help="The image's name.")] = "debian-12",
    kernel: For = Kernel.CLOUD,
    output: To = IMAGES_DIR,
    force: Force = False,
) -> None:
    """Build a Debian whole-disk image that boots on BIOS and UEFI."""
    build(osimage.recipe(name, kernel), output, force)


@app.command()
def build_container(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(container.ROLES)}.")],
    output: To = IMAGES_DIR,
    force: Force = False,
) -> None:
    """Build a role's container image from Debian packages."""
    build(container.recipe(name), output, force)


@app.command("list")
def list_images(images_dir: In = IMAGES_DIR, output: Output = Format.TABLE) -> None:
    """List the images that are there."""
    columns = {"name": "NAME", "kind": "KIND", "disk_format": "FORMAT", "megabytes": "MB", "built": "BUILT"}
    rows = [entry.model_dump(mode="json") for entry in images.list_images(images_dir)]
    for row in rows:
        row["megabytes"] = round(row["size"] / 1e6)
    show(rows, columns, output)


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="The image's name.")], images_dir: In = IMAGES_DIR
) -> None:
    """Read every byte of an image and compare it with what was built."""
    images.verify(images.load(images_dir, name))
    out.print(f"{name}: intact", markup=False)
