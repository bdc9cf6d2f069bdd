"""`undercloud node bios`: firmware settings, compared and changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import RootModel

from bootstrap.cli.console import CommandError, Format, Output, client, out, show, show_json
from bootstrap.cli.node_bmc import Order, Question, Wait, Yes, ask, complain, look, run
from bootstrap.cli.node_choice import Choice, Every, Nodes, Where, choose
from profiles.document import load
from seed.operations.bios import Value

app = typer.Typer(help="Firmware settings; what is set counts from the next boot.", no_args_is_help=True)

COLUMNS = {"name": "SETTING", "value": "VALUE", "pending": "FROM THE NEXT BOOT", "takes": "TAKES"}
SETTINGS = Question("bios", "reading settings")

File = Annotated[Path | None, typer.Option("--file", "-f", help="YAML: NAME: VALUE lines.")]


class Settings(RootModel[dict[str, Value]]):
    """The settings of a file."""


@app.command("get")
def get(
    ctx: typer.Context,
    nodes: Nodes = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Only settings with this in their name; may be repeated."),
    ] = None,
    where: Where = None,
    every: Every = False,
    output: Output = Format.TABLE,
) -> None:
    """Show settings, and what they take.

    Examples: `undercloud node bios get node-1 --name boot`, `undercloud node bios get --all -o json`
    """

    def cells(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for setting in told["settings"]:
            if not name or any(part.lower() in setting["name"].lower() for part in name):
                yield {**setting, "takes": _takes(setting)}

    look(ctx, SETTINGS, Choice(nodes, where, every), output, cells, COLUMNS)


def _takes(setting: dict[str, Any]) -> str | None:
    if setting["read_only"]:
        return "read only"
    if setting["allowed"]:
        return ", ".join(setting["allowed"])
    limits = [setting["lower"], setting["upper"]]
    return (
        "..".join("" if limit is None else str(limit) for limit in limits) if any(limits) else setting["kind"]
    )


@app.command("set")
def set_values(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]... [NODE]...", help="Settings, and nodes.")
    ] = None,
    file: File = None,
    where: Where = None,
    every: Every = False,
    wait: Wait = True,
    output: Output = Format.TABLE,
) -> None:
    """Stage settings; they count from the next boot, such as `node power cycle`.

    Examples: `undercloud node bios set BootMode=Uefi node-1`,
    `undercloud node bios set --file r640.yaml --where model~R640`
    """
    pairs = [word.partition("=") for word in words or () if "=" in word]
    values: dict[str, Any] = dict(_read(file)) if file else {}
    values |= {name: value for name, _, value in pairs}
    if not values:
        raise CommandError("say what to set: undercloud node bios set BootMode=Uefi node-1, or --file FILE")
    nodes = [word for word in words or () if "=" not in word]
    run(ctx, Order("bios set", {"values": values}, wait=wait), Choice(nodes, where, every), output)


@app.command()
def reset(
    ctx: typer.Context,
    nodes: Nodes = None,
    where: Where = None,
    every: Every = False,
    wait: Wait = True,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Stage the factory's settings; they count from the next boot.

    Example: `undercloud node bios reset node-1`
    """

    def stake(_: dict[str, Any]) -> str:
        return "all its settings are replaced by the factory's, boot mode and order with them"

    run(ctx, Order("bios reset", stake=stake, wait=wait, yes=yes), Choice(nodes, where, every), output)


@app.command()
def diff(
    ctx: typer.Context,
    nodes: Nodes = None,
    file: File = None,
    where: Where = None,
    every: Every = False,
    output: Output = Format.TABLE,
) -> None:
    """Compare nodes with a file, or with the first of them; exit code 1 when anything differs.

    Examples: `undercloud node bios diff --file r640.yaml --where model~R640`,
    `undercloud node bios diff node-1 node-2`
    """
    api = client(ctx)
    chosen = choose(api, Choice(nodes, where, every))
    if file is None and len(chosen) < 2:
        raise CommandError("say what to compare with: --file FILE, or a second node")
    rows = ask(api, SETTINGS, chosen)
    told = {row["node"]: _values(row["result"]) for row in rows if not row["error"]}
    first = None if file else chosen[0]["name"]
    if first and first not in told:
        complain([(row["node"], row["error"]) for row in rows if row["error"]], len(rows))
    wanted = dict(_read(file)) if file else told[str(first)]
    found = [each for name in told if name != first for each in _differences(name, wanted, told[name])]
    if output is Format.JSON:
        show_json(found)
    elif found:
        of = str(file) if file else str(first)
        show(found, {"node": "NODE", "name": "SETTING", "wanted": of.upper(), "value": "HAS"}, output)
    else:
        out.print(f"{', '.join(name for name in told if name != first)}: no difference", markup=False)
    complain([(row["node"], row["error"]) for row in rows if row["error"]], len(rows))
    if found:
        raise typer.Exit(1)


def _values(told: dict[str, Any]) -> dict[str, Any]:
    """What counts from the next boot."""
    return {
        setting["name"]: setting["value"] if setting["pending"] is None else setting["pending"]
        for setting in told["settings"]
    }


def _differences(node: str, wanted: dict[str, Any], has: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in sorted(wanted):
        if name not in has or _plain(wanted[name]) != _plain(has[name]):
            yield {
                "node": node,
                "name": name,
                "wanted": wanted[name],
                "value": has.get(name, "no such setting"),
            }


def _plain(value: Any) -> str:
    """YAML reads `on` and `1` as it likes; BMCs write numbers as texts."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(file: Path) -> dict[str, Value]:
    return load(file, Settings).root
