"""What commands share that ask BMCs: progress, rows, and in the end who failed and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bootstrap.cli import follow, node_loss
from bootstrap.cli.console import CommandError, Format, client, err, out, show, show_json
from bootstrap.cli.node_choice import Choice, choose, natural
from bootstrap.client import Client

NAMED = 12  # nodes that are named where many have the same to say

Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before something is lost.")]

Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """What is asked of BMCs at once: the operation, what it is given, and how it reads while it goes on."""

    operation: str
    doing: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """What is asked of BMCs as runs; `stake` says what a node may lose by it, None: nothing."""

    verb: str
    args: dict[str, Any] = field(default_factory=dict)
    stake: Callable[[Row], str | None] = lambda _: None
    wait: bool = True
    yes: bool = False


def look(
    ctx: typer.Context,
    question: Question,
    choice: Choice,
    output: Format,
    cells: Callable[[Row], Iterable[Row]],
    columns: dict[str, str],
) -> None:
    """Ask, and show what `cells` makes of each result; exit code 1 when any node did not answer."""
    api = client(ctx)
    rows = ask(api, question, choose(api, choice))
    show_rows(rows, output, cells, columns)


def ask(api: Client, question: Question, nodes: Sequence[Row]) -> list[Row]:
    """One row for each node, by name; a bar on a terminal while they answer. Ctrl-C keeps what was told."""
    body = {"nodes": [node["uuid"] for node in nodes], "args": question.args}
    rows: list[Row] = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[bad]}"),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(question.doing, total=len(nodes), bad="")
        try:
            for row in _answers(api, f"/operations/{question.operation}", body):
                rows.append(row)
                bad = sum(bool(each["error"]) for each in rows)
                bar.update(task, advance=1, bad=f"{bad} failed" if bad else "")
        except KeyboardInterrupt:
            err.print(f"Stopped; {len(rows)} of {len(nodes)} had answered.")
    return sorted(rows, key=lambda row: natural(row["node"]))


def _answers(api: Client, path: str, body: dict[str, Any]) -> Iterator[Row]:
    for row in api.stream(path, body):
        if "failed" in row:
            raise CommandError(row["failed"])
        yield row


def show_rows(
    rows: Sequence[Row],
    output: Format,
    cells: Callable[[Row], Iterable[Row]],
    columns: dict[str, str],
) -> None:
    """What was answered, then who failed and why."""
    answered = [row for row in rows if not row["error"]]
    flat = [{"node": row["node"], **cell} for row in answered for cell in cells(row["result"])]
    if output is Format.JSON:
        show_json(rows)
    elif flat:
        show(flat, {"node": "NODE", **columns}, output)
    elif answered:
        out.print(f"{len(answered)} answered, and there is nothing to show")
    complain([(row["node"], _reason(row)) for row in rows if row["error"]], len(rows))


def _reason(row: Row) -> str:
    """Without the address, so that what many BMCs have in common is said once."""
    words = str(row["error"]).removeprefix(f"{row['bmc']}: ")
    return f"unsupported: {words}" if row["unsupported"] else words


def complain(failed: Sequence[tuple[str, str]], of: int) -> None:
    """Say who failed and why; exit code 1 when anybody did."""
    if not failed:
        return
    say_reasons(failed)
    if of > 1:
        err.print(f"{len(failed)} of {of} failed", style="red")
    raise typer.Exit(1)


def say_reasons(pairs: Iterable[tuple[str, str]], style: str = "red") -> None:
    """Say of whom what is to be said, on standard error; the same reason once."""
    reasons: dict[str, list[str]] = {}
    for name, reason in pairs:
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        err.print(f"{', '.join(names[:NAMED])}{more}: {reason}", style=style, markup=False, soft_wrap=True)


def run(ctx: typer.Context, order: Order, choice: Choice, output: Format) -> None:
    """Start runs, and follow them; exit code 1 when any was refused or failed."""
    api = client(ctx)
    start(api, order, choose(api, choice), output)


def start(api: Client, order: Order, nodes: Sequence[Row], output: Format) -> None:
    """The same for nodes that are chosen already."""
    to = err if output is Format.JSON else out
    if not order.yes:
        node_loss.ask(order.verb, [(node, words) for node in nodes if (words := order.stake(node))], to)
    since = follow.newest_event(api)
    body = {"nodes": [node["uuid"] for node in nodes], "args": order.args}
    rows = api.post(f"/bmc-runs/{order.verb}", body)
    pairs = [(node["name"], row["error"]) for node, row in zip(nodes, rows, strict=True)]
    refused = [(name, _after_name(name, error)) for name, error in pairs if error]
    ended = _followed(api, order, [row["run"] for row in rows if row["run"]], since, to)
    if output is Format.JSON:
        show_json(ended)
    names = {node["uuid"]: node["name"] for node in nodes}
    failed = [(names[run["node"]], run["reason"]) for run in ended if run["state"] in ("failed", "aborted")]
    if len(nodes) == 1 and failed:
        raise typer.Exit(1)  # who followed it was told why
    complain([*refused, *failed], len(nodes))


def _after_name(name: str, words: str) -> str:
    return words.removeprefix(f"node '{name}': ").removeprefix(f"node '{name}' ")


def _followed(api: Client, order: Order, runs: list[Row], since: int, to: Console) -> list[Row]:
    if not api.seed_runs and runs:
        err.print("No seed runs, so nothing moves yet: `undercloud seed start`", style="yellow")
    return follow.until_done(api, runs, since, to) if order.wait and api.seed_runs else runs
