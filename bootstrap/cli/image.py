"""`undercloud image`: build, add, list, verify and delete what machines boot and what their disks get."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from bootstrap.cli import image_add, image_show
from bootstrap.cli.build_progress import ConsoleProgress
from bootstrap.cli.console import CommandError, Format, Output, err, out, show
from bootstrap.cli.image_options import Force, In, To
from bootstrap.config import IMAGES_DIR
from pxe import images
from pxe.build import container, osimage, ramdisk
from pxe.build.landing import bring
from pxe.build.mirror import read_mirrors
from pxe.build.ramdisk_packages import Kernel
from pxe.build.recipe import Recipe

app = typer.Typer(help="Build, add, list, verify and delete images.", no_args_is_help=True)

For = Annotated[
    Kernel, typer.Option("--kernel", help="cloud: virtual machines. generic: every driver that Debian has.")
]
Firmware = Annotated[
    bool, typer.Option("--with-firmware", help="With what NICs and controllers load (generic kernel).")
]
Extra = Annotated[
    list[str] | None,
    typer.Option("--extra-package", metavar="NAME", help="A Debian package more; may be repeated."),
]
Mirrors = Annotated[
    list[str] | None,
    typer.Option(
        "--mirror",
        metavar="URL|LINE",
        help="The Debian mirror to take instead of this machine's: a URL (http, https, file), or a line of "
        "sources.list(5); may be repeated.",
    ),
]
Wheels = Annotated[
    Path | None,
    typer.Option(
        "--find-links",
        metavar="DIR",
        exists=True,
        file_okay=False,
        resolve_path=True,
        help="Take the agent and its libraries from the wheels in this folder, and ask no index.",
    ),
]


def build(recipe: Recipe, images_dir: Path, force: bool) -> None:
    """Build one image and say where it is."""
    began = time.monotonic()
    landed = bring(recipe, images_dir, ConsoleProgress(), force=force)
    seconds, size = time.monotonic() - began, landed.manifest.size / 1e6
    how = f"built in {seconds:.0f} s" if landed.built_now else f"up to date, built {landed.manifest.built}"
    out.print(f"{recipe.name}: {how}, {size:.0f} MB, {landed.folder}", soft_wrap=True, markup=False)


@app.command()
def build_ramdisk(
    kernel: For = Kernel.CLOUD,
    firmware: Firmware = False,
    extra: Extra = None,
    mirror: Mirrors = None,
    wheels: Wheels = None,
    output: To = IMAGES_DIR,
    force: Force = False,
) -> None:
    """Build the deploy ramdisk that runs ironic-python-agent; the same inputs give the same bytes.

    Examples:

      undercloud image build-ramdisk --kernel generic --with-firmware --extra-package tcpdump

      undercloud image build-ramdisk --mirror file:///srv/debian --find-links /srv/wheels
    """
    archive = read_mirrors(mirror) if mirror else None
    more = tuple(extra or ())
    recipe = ramdisk.recipe(kernel, firmware=firmware, extra_packages=more, archive=archive, wheels=wheels)
    build(recipe, output, force)


@app.command()
def build_os(
    name: Annotated[str, typer.Option(help="The image's name.")] = "debian-12",
    kernel: For = Kernel.CLOUD,
    output: To = IMAGES_DIR,
    force: Force = False,
) -> None:
    """Build a Debian whole-disk image that boots on BIOS and UEFI.

    Example: `undercloud image build-os --name debian-12-metal --kernel generic`
    """
    build(osimage.recipe(name, kernel), output, force)


@app.command()
def build_container(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(container.ROLES)}.")],
    output: To = IMAGES_DIR,
    force: Force = False,
) -> None:
    """Build a role's container image from Debian packages.

    Example: `undercloud image build-container etcd`
    """
    build(container.recipe(name), output, force)


@app.command("list")
def list_images(images_dir: In = IMAGES_DIR, output: Output = Format.TABLE) -> None:
    """List the images that are there.

    Example: `undercloud image list -o json`
    """
    columns = {
        "name": "NAME",
        "kind": "KIND",
        "format": "FORMAT",
        "megabytes": "MB",
        "signed": "SIGNED",
        "built": "BUILT",
    }
    rows = [entry.model_dump(mode="json") for entry in images.list_images(images_dir)]
    for row in rows:
        row["megabytes"] = round(row["size"] / 1e6)
        row["format"] = "+".join(filter(None, (row["disk_format"], row["compression"])))
        row["signed"] = row["signature"] is not None
    show(rows, columns, output)


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="The image's name.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every image that is there.")] = False,
    images_dir: In = IMAGES_DIR,
) -> None:
    """Read every byte of an image and compare it with what was built or added.

    Examples: `undercloud image verify debian-12`, `undercloud image verify --all`
    """
    if (name is None) is not every:
        raise CommandError("name one image, or say --all")
    names = [name] if name else [entry.name for entry in images.list_images(images_dir)]
    damaged = [each for each in names if not _intact(images_dir, each)]
    if damaged:
        raise CommandError(f"not intact: {', '.join(damaged)}")


def _intact(images_dir: Path, name: str) -> bool:
    try:
        images.verify(images.load(images_dir, name))
    except (images.ChecksumMismatch, images.ManifestBroken) as error:
        err.print(str(error), style="red", soft_wrap=True, markup=False)
        return False
    out.print(f"{name}: intact", markup=False)
    return True


image_add.register(app)
image_show.register(app)
