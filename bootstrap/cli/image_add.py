"""`undercloud image add`: an image that others made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bootstrap.cli.build_progress import ConsoleProgress, transfer
from bootstrap.cli.console import CommandError, out
from bootstrap.cli.image_options import In
from bootstrap.config import IMAGES_DIR
from pxe.adding.add import Offer, Part
from pxe.adding.add import add as add_image

EXAMPLES = """
Examples:

    undercloud image add debian-12-cloud \\
      https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-generic-amd64.qcow2 \\
      --checksum https://cloud.debian.org/images/cloud/bookworm/latest/SHA512SUMS

    undercloud image add ours ./disk.raw.zst --checksum sha512:$(sha512sum disk.raw.zst | cut -d' ' -f1) \\
      --signature disk.raw.zst.sig --keyring /usr/share/keyrings/ours.gpg

    undercloud image add diskless ./vmlinuz --checksum sha256:0a1b... \\
      --initramfs ./initrd.img --initramfs-checksum sha256:2c3d... --kernel-argument console=ttyS0
"""

_CHECKSUM = "sha256:HEX or sha512:HEX, or URL or path of a list such as SHA512SUMS."


def register(app: typer.Typer) -> None:
    app.command("add", epilog=EXAMPLES)(add)


def add(
    name: Annotated[str, typer.Argument(help="How declarations will call it.")],
    source: Annotated[
        str, typer.Argument(help="URL or path of the disk image; with --initramfs of a kernel.")
    ],
    checksum: Annotated[str | None, typer.Option(help=_CHECKSUM, show_default=False)] = None,
    signature: Annotated[
        str | None, typer.Option(help="URL or path of an OpenPGP signature of the image, or of that list.")
    ] = None,
    keyring: Annotated[Path | None, typer.Option(help="The keys that are trusted to have signed it.")] = None,
    initramfs: Annotated[
        str | None,
        typer.Option(help="URL or path: the image is a kernel and this, for hosts that run from memory."),
    ] = None,
    initramfs_checksum: Annotated[str | None, typer.Option(help="The same of --initramfs.")] = None,
    kernel_argument: Annotated[
        list[str] | None, typer.Option(help="Of an image with --initramfs; may be repeated.")
    ] = None,
    compress: Annotated[
        bool, typer.Option("--compress", help="Keep a disk image as raw, compressed by zstd.")
    ] = False,
    images_dir: In = IMAGES_DIR,
    force: Annotated[bool, typer.Option("--force", help="Replace an image of this name.")] = False,
) -> None:
    """Add a disk image (qcow2, raw, zstd-compressed raw), or a kernel with its initramfs.

    What it is, is seen in its content, not in its name. It is there for a running seed at once, whole or not
    at all. Images that read other files, or look like two formats at once, are refused.
    """
    if initramfs is None and (initramfs_checksum or kernel_argument):
        raise CommandError("--initramfs-checksum and --kernel-argument are for images with --initramfs")
    if initramfs is not None and (signature or compress):
        raise CommandError("--signature and --compress are for disk images")
    offer = Offer(
        name,
        Part(source, checksum, signature, keyring),
        Part(initramfs, initramfs_checksum) if initramfs else None,
        tuple(kernel_argument or ()),
        compress=compress,
    )
    with transfer(name) as report:
        added = add_image(offer, images_dir, ConsoleProgress(), report, force=force).manifest
    signed = f", signed by {added.signature.signer}" if added.signature else ""
    where = images_dir / name
    out.print(f"{name}: added, {added.size / 1e6:.0f} MB{signed}, {where}", soft_wrap=True, markup=False)
