"""`undercloud image`: build, list and verify what machines boot and what is written to their disks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pxe.build import osimage, ramdisk
from pxe.build.landing import bring
from pxe.build.recipe import Recipe
from pxe.process import ProcessError

DEFAULT_IMAGES_DIR = Path("/var/lib/undercloud/images")
app = typer.Typer(help="Build, list and verify images.", no_args_is_help=True)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

Output = Annotated[
    Path,
    typer.Option("--output", envvar="UNDERCLOUD_IMAGES", help="Folder that holds the images.", metavar="DIR"),
]
Force = Annotated[bool, typer.Option("--force", help="Build again even if the image is up to date.")]


class ConsoleProgress:
    """One line per phase with its seconds; a spinner while it runs where there is a terminal."""

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Print the phase when it ends."""
        began = time.monotonic()
        if console.is_terminal:
            with console.status(title):
                yield
        else:
            yield
        console.print(f"  {time.monotonic() - began:6.1f} s  {title}", soft_wrap=True)

    def note(self, text: str) -> None:
        """A line that stays."""
        console.print(f"  note: {text}", style="yellow", soft_wrap=True)


def build(recipe: Recipe, images_dir: Path, force: bool) -> None:
    """Build one image and say where it is."""
    began = time.monotonic()
    landed = bring(recipe, images_dir, ConsoleProgress(), force=force)
    size = landed.manifest.size / 1e6
    if not landed.built_now:
        console.print(
            f"{recipe.name} is up to date ({size:.0f} MB, built {landed.manifest.built}): {landed.folder}"
        )
        return
    console.print(f"{recipe.name} built in {time.monotonic() - began:.0f} s, {size:.0f} MB: {landed.folder}")


@contextmanager
def explained() -> Iterator[None]:
    """Turn what can go wrong into words and exit code 1."""
    try:
        yield
    except ProcessError as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("Interrupted; images that were there before are untouched.")
        raise typer.Exit(130) from None


@app.command()
def build_ramdisk(
    kernel: Annotated[
        ramdisk.Kernel, typer.Option(help="cloud for virtual machines, generic for hardware.")
    ] = (ramdisk.Kernel.CLOUD),
    output: Output = DEFAULT_IMAGES_DIR,
    force: Force = False,
) -> None:
    """Build the deploy ramdisk that runs ironic-python-agent."""
    with explained():
        build(ramdisk.recipe(kernel), output, force)


@app.command()
def build_os(
    name: Annotated[str, typer.Option(help="The image's name.")] = "debian-12",
    kernel: Annotated[ramdisk.Kernel, typer.Option(help="cloud or generic, as for the ramdisk.")] = ramdisk.Kernel.CLOUD,
    output: Output = DEFAULT_IMAGES_DIR,
    force: Force = False,
) -> None:
    """Build a Debian whole-disk image that boots on BIOS and UEFI."""
    with explained():
        build(osimage.recipe(name, kernel), output, force)
