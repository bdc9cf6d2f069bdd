"""`undercloud node boot`: a boot as a timeline, hop by hop, beside what is usual here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bootstrap.cli.console import CommandError, Format, Output, client, out, show_json
from bootstrap.cli.events import local
from bootstrap.cli.why import STYLES

MARKS = {"seen": ("●", "green"), "passed": ("○", "dim"), "missing": ("✗", "red"), "ahead": ("·", "dim")}
WAITED = ("…", "yellow")  # a hop that is not late yet
HALF = 7  # columns of the bar that the usual time takes


def register(app: typer.Typer) -> None:
    app.command("boot")(boot)


def boot(
    ctx: typer.Context,
    node: Annotated[str, typer.Argument(help="Name or UUID.")],
    attempt: Annotated[
        int | None,
        typer.Option(min=1, max=50, help="1: the newest (what is shown by default); 2: the one before; ..."),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show how a machine booted: each hop with its time, how long it took, and what is usual here.

    USUAL is the median of the fleet's newest boots, and what nine in ten of them stay within, in seconds.
    A bar that ends at its mark took as long as usual.

    As JSON: the newest attempts, or a list of the one that was asked for.

    Examples: `undercloud node boot node-1`, `undercloud node boot node-1 --attempt 2`
    """
    found = client(ctx).get(f"/nodes/{node}/boots", last=max(5, attempt or 1))
    name, boots = found["node"], found["boots"]
    if attempt is not None and attempt > len(boots):
        raise CommandError(f"{name}: {f'only {len(boots)}' if boots else 'no'} attempts to boot were seen")
    if output is Format.JSON:
        show_json(boots[attempt - 1 : attempt] if attempt else boots)
        return
    if not boots:
        out.print(f"{name}: no boot was seen yet", markup=False)
        return
    chosen = boots[(attempt or 1) - 1]
    out.print(_heading(name, chosen, len(boots)), style="bold", markup=False, soft_wrap=True)
    out.print(_timeline(chosen))
    _verdict(name, chosen)
    _others(boots, chosen)


def _heading(name: str, chosen: dict[str, Any], many: int) -> str:
    run = chosen["run"]
    by = f", for #{run['id']} {run['verb']} ({run['state']})" if run else ""
    newest = " (the newest)" if chosen["attempt"] == 1 else ""
    began = local(chosen["began"])
    return f"{name}: attempt {chosen['attempt']} of {many}{newest}, {began}, to the {chosen['way']}{by}"


def _timeline(chosen: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("TIME", "", "HOP"):
        table.add_column(title, no_wrap=True)
    table.add_column("SECONDS", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("USUAL, 9 IN 10", justify="right", no_wrap=True)
    table.add_column("SEEN")
    verdict = chosen["diagnosis"]["verdict"]
    for hop in chosen["hops"]:
        mark, style = MARKS[hop["standing"]]
        if hop["standing"] == "missing" and verdict != "stuck":
            mark, style = WAITED
        table.add_row(
            Text(local(hop["at"]).split()[1] if hop["at"] else ""),
            Text(mark, style=style),
            Text(hop["hop"], style=style if hop["standing"] != "seen" else ""),
            Text("" if hop["seconds"] is None else f"{hop['seconds']:.1f}"),
            _bar(hop, style),
            Text(_usual(hop["usual"]), style="dim"),
            Text(_seen(hop, verdict), style="" if hop["at"] else style),
        )
    return table


def _bar(hop: dict[str, Any], style: str) -> Text:
    """As long as it took: `HALF` columns are the usual time, and twice that is the longest."""
    took, usual = hop["seconds"], hop["usual"]
    if took is None or usual is None:
        return Text("")
    cells = min(2 * HALF, round(HALF * took / max(usual["median"], 0.1)))
    bar = f"{'━' * cells}{' ' * (2 * HALF - cells)}"
    return Text.assemble(
        (bar[:HALF], _pace(took, usual) if hop["at"] else style),
        ("│", "dim"),
        (bar[HALF:], _pace(took, usual)),
    )


def _pace(took: float, usual: dict[str, Any]) -> str:
    if took <= max(usual["p90"], 1.0):
        return "green"
    return "yellow" if took <= 3 * usual["p90"] else "red"


def _usual(usual: dict[str, Any] | None) -> str:
    return f"{usual['median']:.1f}, {usual['p90']:.1f}" if usual else ""


def _seen(hop: dict[str, Any], verdict: str) -> str:
    if hop["standing"] == "passed":
        return "not seen, but passed"
    if hop["standing"] == "missing":
        return "missing" if verdict == "stuck" else "waited for"
    times = f" ({hop['times']} times)" if hop["times"] > 1 else ""
    return f"{hop['seen']}{times}"


def _verdict(name: str, chosen: dict[str, Any]) -> None:
    found = chosen["diagnosis"]
    out.print(f"\n{found['summary']}.", style=STYLES[found["verdict"]], markup=False, soft_wrap=True)
    if found["verdict"] == "stuck":
        likely = found["causes"][0]
        out.print(f"Likeliest: {likely['what']}\n→ {likely['do']}", markup=False, soft_wrap=True)
        if chosen["attempt"] == 1:
            out.print(f"All of it: `undercloud why {name}`", markup=False)


def _others(boots: list[dict[str, Any]], chosen: dict[str, Any]) -> None:
    others = [boot for boot in boots if boot is not chosen]
    if not others:
        return
    table = Table(box=None, pad_edge=False, header_style="dim", style="dim")
    for title in ("ATTEMPT", "BEGAN", "TO", "FOR", "SECONDS", "CAME TO"):
        table.add_column(title, no_wrap=title != "CAME TO")
    for each in others:
        run = each["run"]
        table.add_row(
            str(each["attempt"]),
            local(each["began"]),
            each["way"],
            f"#{run['id']} {run['verb']}" if run else "-",
            _whole(each),
            Text(_came_to(each)),
        )
    out.print()
    out.print(table)


def _whole(boot: dict[str, Any]) -> str:
    """From the beginning to the last hop that was seen."""
    last = [hop["at"] for hop in boot["hops"] if hop["at"]][-1:]
    if not last:
        return "-"
    return f"{(datetime.fromisoformat(last[0]) - datetime.fromisoformat(boot['began'])).total_seconds():.1f}"


def _came_to(boot: dict[str, Any]) -> str:
    found = boot["diagnosis"]
    if found["verdict"] == "stuck":
        return f"{found['hop']} missing: {found['id']}"
    return f"{found['hop']} {'reached' if found['verdict'] == 'up' else 'waited for'}"
