"""How BMCs behave: `undercloud node bmc stats`, `node bmc reset`, `undercloud bmc learnt` and `bmc reset`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from bootstrap.cli.console import Format, Output, client, out, show, show_json, text

app = typer.Typer(help="How a node's BMC behaves, and how gently it is asked.", no_args_is_help=True)

Node = Annotated[str, typer.Argument(help="Name or UUID.")]

_LEARNT = {
    "vendor": "VENDOR",
    "model": "MODEL",
    "bmcs": "BMCS",
    "rate": "RATE/S",
    "answers": "ANSWERS",
    "p50": "P50 MS",
    "p95": "P95 MS",
    "failed": "FAILURES",
    "refused_logins": "REFUSED LOG-INS",
}


def register(bmc: typer.Typer) -> None:
    """Plug into `undercloud bmc`."""
    bmc.command()(learnt)
    bmc.command("reset")(reset_address)


@app.command()
def stats(ctx: typer.Context, node: Node, output: Output = Format.TABLE) -> None:
    """Show how the node's BMC behaves: sessions, rate, failures, whether it is left alone, refused log-ins.

    Example: `undercloud node bmc stats node-1`
    """
    seen = client(ctx).get(f"/nodes/{node}/bmc")
    if output is Format.JSON:
        show_json(seen)
        return
    for name, value in _lines(seen):
        out.print(f"{name:20} {value}", markup=False, soft_wrap=True)


@app.command()
def reset(ctx: typer.Context, node: Node) -> None:
    """Have a BMC that was mended asked again at once: forget its refused log-ins, and that it is left alone.

    The BMC itself is not touched. A log-in that it refused is then sent once more: first make sure that it is
    right, since BMCs lock accounts after three to five wrong passwords.

    Example: `undercloud node bmc reset node-1`
    """
    client(ctx).call("DELETE", f"/nodes/{node}/bmc")
    out.print(f"The BMC of '{node}' is asked again. See: `undercloud node bmc stats {node}`")


def reset_address(
    ctx: typer.Context, address: Annotated[str, typer.Argument(help="Such as ipmi://10.0.0.5.")]
) -> None:
    """Have a BMC that was mended asked again at once, enrolled or not; see `undercloud node bmc reset`.

    Example: `undercloud bmc reset ipmi://10.0.0.5`
    """
    client(ctx).post("/bmcs/reset", {"address": address})
    out.print(f"The BMC at {address} is asked again.", markup=False, soft_wrap=True)


def learnt(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Show how BMCs behave by vendor and model; `-o json` exports it.

    RATE is the median of what they bear, in requests a second.

    Example: `undercloud bmc learnt -o json > behaviour.json`
    """
    rows = client(ctx).get("/bmcs/learnt")
    if output is Format.JSON:
        show_json(rows)
        return
    show([_row(row) for row in rows], _LEARNT, output)


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    latency = row["latency"]
    return {**row, "p50": latency["p50"], "p95": latency["p95"], "failed": _failures(row["failures"])}


def _lines(seen: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a technician wants to know first comes first."""
    yield "bmc", f"{seen['bmc']} ({_machine(seen)})"
    yield "asked now", _breaker(seen["breaker"])
    if seen["refused_logins"]:
        when = ", ".join(map(_time, seen["refused_logins"]))
        yield "refused log-ins", f"{len(seen['refused_logins'])}, not sent again: {when}"
    yield "sessions", f"{seen['sessions']} open, {seen['in_use']} in use"
    yield "rate", f"{seen['rate']:g} requests a second"
    yield "answered", text(seen["answers"])
    yield "failures", _failures(seen["failures"]) or "none"
    latency = seen["latency"]
    if latency["count"]:
        yield "latency", f"half within {latency['p50']:g} ms, 95 % within {latency['p95']:g} ms"


def _machine(seen: Mapping[str, Any]) -> str:
    known = [seen["vendor"], seen["model"], seen["firmware"] and f"firmware {seen['firmware']}"]
    return ", ".join(filter(None, known)) or "who made it is not known"


def _breaker(breaker: Mapping[str, Any]) -> str:
    row = breaker["failures_in_a_row"]
    if not row:
        return "yes"
    failed = f"{row} failure(s) in a row since {_time(breaker['since'])}, the last: {breaker['why']}"
    if breaker["state"] == "closed":
        return f"yes, after {failed}"
    return f"NO, left alone until {_time(breaker['next_try'])} after {failed}"


def _failures(failures: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(failures.items()))


def _time(stamp: str) -> str:
    return f"{stamp[:19].replace('T', ' ')} UTC"
