"""Which nodes a command is for: by name, all, or those that fit what is said of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from bootstrap.cli.console import CommandError
from bootstrap.client import Client

FIELDS = (
    *("name", "bmc", "state", "power", "vendor", "model", "serial", "role", "address", "verb"),
    *("maintenance", "fault", "retired", "protected"),
)

Nodes = Annotated[list[str] | None, typer.Argument(help="Names or UUIDs.", metavar="[NODE]...")]
Every = Annotated[bool, typer.Option("--all", help="Every node.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="FIELD=VALUE",
        help="Every node that is so: FIELD=VALUE, FIELD!=VALUE, or FIELD~REGEX; all must hold when repeated. "
        f"Fields: {', '.join(FIELDS)}.",
    ),
]

_CRITERION = re.compile(r"(?P<field>\w+)(?P<sign>=|!=|~)(?P<value>.*)")
_YES = ("yes", "true", "on")


@dataclass(frozen=True)
class Choice:
    """What the command line says; `nor`: what else a name could have been that is no node's."""

    nodes: list[str] | None = None
    where: list[str] | None = None
    every: bool = False
    nor: str = ""


def natural(name: str) -> list[str | int]:
    """The key to sort names by: node-2 before node-10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]


def choose(api: Client, choice: Choice) -> list[dict[str, Any]]:
    """The nodes in short, by name, each once; raises CommandError where none, or a wrong one, is meant."""
    if sum((bool(choice.nodes), bool(choice.where), choice.every)) != 1:
        raise CommandError("name the nodes, or say which: NODE..., --where state=active, or --all")
    criteria = [_criterion(text) for text in choice.where or ()]
    everything = sorted(api.get("/nodes"), key=lambda node: natural(node["name"]))
    if choice.nodes:
        return _named(everything, choice)
    found = [node for node in everything if all(_holds(node, each) for each in criteria)]
    if not found:
        said = " and ".join(choice.where or ()) or "there are none"
        raise CommandError(f"no node fits: {said}")
    return found


def _named(everything: list[dict[str, Any]], choice: Choice) -> list[dict[str, Any]]:
    names = choice.nodes or []
    known = {node["name"]: node for node in everything} | {node["uuid"]: node for node in everything}
    if missing := [name for name in names if name not in known]:
        there = [node["name"] for node in everything][:10]
        listing = f"{', '.join(there) or 'none'}{', ...' if len(everything) > 10 else ''}"
        raise CommandError(f"there is no node {', '.join(missing)}{choice.nor}; there are: {listing}")
    return list({known[name]["uuid"]: known[name] for name in names}.values())


def _criterion(text: str) -> re.Match[str]:
    found = _CRITERION.fullmatch(text)
    if found is None or found["field"] not in FIELDS:
        raise CommandError(
            f"--where {text}: write FIELD=VALUE, FIELD!=VALUE or FIELD~REGEX with a field of "
            f"{', '.join(FIELDS)}"
        )
    if found["sign"] == "~":
        try:
            re.compile(found["value"])
        except re.error as error:
            raise CommandError(
                f"--where {text}: {found['value']!r} is no regular expression: {error}"
            ) from None
    return found


def _holds(node: dict[str, Any], criterion: re.Match[str]) -> bool:
    value, wanted = _value(node, criterion["field"]), criterion["value"]
    if criterion["sign"] == "~":
        return re.search(wanted, str(value or ""), re.IGNORECASE) is not None
    if isinstance(value, bool):
        same = value is (wanted.lower() in _YES)
    else:
        same = wanted.removeprefix("power ") == str(value or "").removeprefix("power ")
    return same is (criterion["sign"] == "=")


def _value(node: dict[str, Any], field: str) -> Any:
    if field in ("role", "address"):
        return (node["instance"] or {}).get(field)
    if field == "verb":
        return (node["run"] or {}).get("verb")
    return node[field]
