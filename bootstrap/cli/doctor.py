"""`undercloud doctor`: is what machines need to boot there, and can it be fetched?"""

from __future__ import annotations

from dataclasses import asdict

import typer

from bootstrap.cli.console import Format, Output, config_path, out, show_json
from bootstrap.config import read
from bootstrap.doctor import Finding, Verdict, examine

EXAMPLES = """
Examples:

    undercloud doctor

    undercloud doctor -o json
"""
_COLOURS = {Verdict.GOOD: "green", Verdict.MISSING: "yellow", Verdict.BAD: "red"}


def register(app: typer.Typer) -> None:
    app.command("doctor", epilog=EXAMPLES)(doctor)


def doctor(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Fetch what machines boot from, as they would: loaders by TFTP, the script by HTTP; check the ramdisk.

    Changes nothing. Exit code 1 when something is bad.
    """
    found = []
    for finding in examine(read(config_path(ctx))):
        found.append(finding)
        if output is Format.TABLE:
            _show(finding)
    if output is Format.JSON:
        show_json([asdict(finding) for finding in found])
    raise typer.Exit(any(finding.verdict is Verdict.BAD for finding in found))


def _show(finding: Finding) -> None:
    out.print(f"{finding.verdict:9}", style=_COLOURS[finding.verdict], end="")
    out.print(f"{finding.check:28} {finding.seen}", markup=False, soft_wrap=True)
    for title, words in (("why", finding.why), ("do", finding.do)):
        if words:
            out.print(f"{'':9}{title}: {words}", markup=False, soft_wrap=True)
