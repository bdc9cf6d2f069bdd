"""`undercloud image show|delete`: what an image is, who needs it, and the end of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bootstrap.cli.build_progress import ConsoleProgress
from bootstrap.cli.console import CommandError, Format, Output, client, config_path, out, show_json
from bootstrap.cli.image_options import In
from bootstrap.config import IMAGES_DIR
from pxe import images
from pxe.adding import partition_table
from pxe.adding.inspection import head
from pxe.build import landing
from pxe.build.manifest import Manifest
from pxe.images import OSImage

Name = Annotated[str, typer.Argument(help="The image's name.")]
TOLD = 8  # of many nodes


def register(app: typer.Typer) -> None:
    app.command("show")(show)
    app.command("delete")(delete)


def show(ctx: typer.Context, name: Name, images_dir: In = IMAGES_DIR, output: Output = Format.TABLE) -> None:
    """Show what an image is: format, sizes, checksums, partitions, what firmware boots it, who needs it.

    Example: `undercloud image show debian-12 -o json`
    """
    manifest = images.read_manifest(images_dir, name)
    told = manifest.model_dump(mode="json", exclude={"packages", "python_packages", "recipe"})
    told |= _disk(images_dir, manifest) | {"uses": _uses(ctx, name)}
    if output is Format.JSON:
        show_json(told)
        return
    for key, value in _lines(told):
        out.print(f"{key:<14}{value}", soft_wrap=True, markup=False)


def delete(
    ctx: typer.Context,
    name: Name,
    images_dir: In = IMAGES_DIR,
    force: Annotated[bool, typer.Option("--force", help="Even though it is needed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete an image. Hosts that were made of it stay as they are.

    Example: `undercloud image delete debian-11 --yes`
    """
    manifest = images.read_manifest(images_dir, name)
    if (why := _needed(_uses(ctx, name))) and not force:
        raise CommandError(f"image '{name}' was not deleted: {why}. --force deletes it all the same")
    if not yes:
        _ask(f"Delete image {name} ({manifest.size / 1e6:.0f} MB)?")
    landing.delete(images_dir, name, ConsoleProgress())
    out.print(f"{name}: deleted", markup=False)


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise CommandError("nothing was deleted: nobody can be asked here, so say --yes if this is meant")
    if not typer.confirm(question, default=False):
        raise CommandError("nothing was deleted")


def _uses(ctx: typer.Context, name: str) -> dict[str, Any] | None:
    """Who needs it, as the seed knows; None where no seed was configured yet."""
    if not config_path(ctx).exists():
        return None
    seed = client(ctx)
    told: dict[str, Any] = seed.get(f"/images/{name}/uses")
    return {**told, "ramdisk": seed.config.ramdisk.image == name}


def _needed(uses: dict[str, Any] | None) -> str | None:
    if uses is None:
        return None
    if uses["ramdisk"]:
        return "it is the deploy ramdisk of this seed's configuration"
    if busy := [node["name"] for node in uses["nodes"] if node["run"] is not None]:
        return f"it is being deployed to {_some(busy)}"
    if running := [node["name"] for node in uses["nodes"] if node["in_memory"]]:
        return f"it is fetched at each boot (deploy: ramdisk) of {_some(running)}"
    return f"it is declared for {_some(uses['declared'])}" if uses["declared"] else None


def _some(names: list[str]) -> str:
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    return ", ".join(names[:TOLD]) + more


def _disk(images_dir: Path, manifest: Manifest) -> dict[str, Any]:
    """Partitions and boot modes, read from the image now."""
    image = images.load(images_dir, manifest.name)
    if not isinstance(image, OSImage):
        return {}
    table = partition_table.read(head(image.path, image.disk_format, image.compression))
    if table is None:
        return {"partitions": [], "boot_modes": []}
    return {
        "partition_table": table.label,
        "partitions": [vars(part) | {"root": part == table.root} for part in table.partitions],
        "boot_modes": list(table.boot_modes),
    }


def _lines(told: dict[str, Any]) -> list[tuple[str, str]]:
    """What people read, line by line."""
    packed = f", compressed by {told['compression']}" if told["compression"] else ""
    lines = [
        ("name", told["name"]),
        ("kind", told["kind"]),
        ("format", f"{told['disk_format'] or '-'}{packed}"),
    ]
    if told["virtual_size"]:
        lines.append(("virtual size", _gib(told["virtual_size"])))
    for name, entry in told["files"].items():
        lines.append((name, f"{entry['size'] / 1e6:.1f} MB, sha512 {entry['sha512']}"))
    lines.append(("built", told["built"]))
    if told["source"]:
        lines.append(("from", told["source"]))
    lines.append(("signature", _signature(told["signature"])))
    if "boot_modes" in told:
        lines.append(("boots on", ", ".join(told["boot_modes"]) or "nothing"))
        lines += [(f"partition {part['number']}", _partition(part)) for part in told["partitions"]]
    return [*lines, *_users(told["uses"])]


def _signature(signature: dict[str, str] | None) -> str:
    if signature is None:
        return "none"
    return f"good, of the {signature['of']}, by {signature['signer']} (key {signature['key']})"


def _partition(part: dict[str, Any]) -> str:
    name = f" '{part['name']}'" if part["name"] else ""
    root = ", taken for the root file system" if part["root"] else ""
    return f"{part['kind']}{name}, {part['size'] / (1 << 20):.0f} MiB{root}"


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.2f} GiB"


def _users(uses: dict[str, Any] | None) -> list[tuple[str, str]]:
    if uses is None:
        return []
    nodes = [f"{node['name']} ({node['state']})" for node in uses["nodes"]]
    return [("on nodes", _some(nodes) or "none"), ("declared for", _some(uses["declared"]) or "nobody")]
