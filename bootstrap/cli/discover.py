"""`undercloud discover`: which BMCs answer in a range."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bootstrap.cli.console import CommandError, client, err, out
from bootstrap.cli.discover_view import DiscoverFormat, Found, Row, print_found, watch
from bootstrap.cli.node_bmc import say_reasons

EXAMPLES = """
Examples:

    undercloud discover 10.0.0.0/24

    undercloud discover 10.0.0.0/16 --exclude 10.0.9.0/24 --credentials rack1 --credentials old -o csv

    undercloud discover 10.0.0.10-50 10.0.1.0/28 --credentials rack1 --enroll

    undercloud discover 10.0.0.0/24 --credentials rack1 --manifest delivery.csv --enroll

A manifest is CSV with the columns rack, slot and any of serial, bmc_mac, bmc_address, credentials, name; or
YAML with a list `machines` of the same keys.

Exit codes: 0 all went well; 1 nothing answered, a BMC failed or did not let us in, not all is as in the
manifest, or a range, port, credentials or manifest is wrong; 2 no such option, or not a value of it;
130 stopped by Ctrl-C (what was found is printed, and kept).
"""
INTERRUPTED = 130


class Protocol(StrEnum):
    """What is spoken."""

    IPMI = "ipmi"
    REDFISH = "redfish"


def register(app: typer.Typer) -> None:
    app.command("discover", epilog=EXAMPLES)(discover)


def discover(
    ctx: typer.Context,
    ranges: Annotated[
        list[str],
        typer.Argument(metavar="RANGE...", help="10.0.0.0/24, 10.0.0.10-50, fd00::/120 or one address."),
    ],
    credentials: Annotated[
        list[str] | None,
        typer.Option(
            help="A log-in to try, once on each BMC; several are tried in this order. None: nobody logs in."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="RANGE", help="Addresses that are not to be touched.")
    ] = None,
    protocol: Annotated[
        Protocol | None, typer.Option(help="Ask in this protocol alone, but for each --port.")
    ] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROTOCOL:PORT", help="A further port: redfish:8443, redfish+http:8001, ipmi:6230."
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=1, help="Packets per second, to all BMCs together. [default: 20000]")
    ] = None,
    enroll: Annotated[bool, typer.Option("--enroll", help="Record what lets us in.")] = False,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="Compare with this list (CSV or YAML); with --enroll, only what matches is enrolled."
        ),
    ] = None,
    most_refused: Annotated[
        int, typer.Option(min=1, max=10, help="Log-ins that one BMC may refuse until it is left alone.")
    ] = 2,
    check_defaults: Annotated[
        bool, typer.Option("--check-defaults", help="Try the maker's factory passwords too, last.")
    ] = False,
    output: Annotated[
        DiscoverFormat,
        typer.Option("--output", "-o", help="How to print the result; CSV of a manifest's report."),
    ] = DiscoverFormat.TABLE,
) -> None:
    """Scan for BMCs (IPMI, Redfish, SSDP), say who they are and what has changed since the last scan."""
    body = {
        "ranges": ranges,
        "exclude": exclude or [],
        "credentials": credentials or [],
        "protocol": protocol.value if protocol else None,
        "ports": port or [],
        "rate": rate,
        "enroll": enroll,
        "manifest": _file(manifest) if manifest else None,
        "most_refused": most_refused,
        "check_defaults": check_defaults,
    }
    found = watch(client(ctx).stream("/discoveries", body))
    if found.machines or found.manifest is not None or output is not DiscoverFormat.TABLE:
        print_found(found, output)
    _say(found, ranges)
    if output is DiscoverFormat.TABLE and enroll:
        out.print("Next: `undercloud node manage --all`, then `inspect`, `provide` and `deploy`.")
    _exit(found)


def _say(found: Found, ranges: list[str]) -> None:
    """What needs attention, on standard error."""
    findings = [(row["address"], finding) for row in found.rows for finding in row.get("findings", [])]
    say_reasons(findings, "yellow")
    say_reasons(_of_whom(row) for row in found.rows if row.get("error"))
    if found.failed:
        raise CommandError(f"the discovery broke off: {found.failed}")
    if found.interrupted:
        err.print(f"Stopped; {len(found.machines)} BMCs were found so far, and are remembered.")
    elif not found.machines:
        raise CommandError(
            f"nothing answers in {', '.join(ranges)}: are the BMCs cabled, and is this their network?"
        )
    elif err.is_terminal:
        outcomes = Counter(row["outcome"] for row in found.machines.values())
        err.print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))


def _of_whom(row: Row) -> tuple[str, str]:
    """The error without the address, so that what many BMCs have in common is said once."""
    words = str(row["error"])
    for address in (row["address"], *row["also"]):
        if words.startswith(f"{address}: "):
            return address, words.removeprefix(f"{address}: ")
    return row["address"], words


def _exit(found: Found) -> None:
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)
    matches = all(place["status"] == "matching" for place in found.manifest or ())
    if not matches or any(row.get("error") for row in found.machines.values()):
        raise typer.Exit(1)


def _file(path: Path) -> dict[str, Any]:
    try:
        return {"name": str(path), "text": path.read_text(encoding="utf-8")}
    except UnicodeDecodeError:
        raise CommandError(f"--manifest {path}: it is no UTF-8 text") from None
    except OSError as error:
        raise CommandError(f"--manifest {path}: {error.strerror}") from None
