"""`undercloud node console`: the serial console of a machine, live, or as it was captured during a run."""

from __future__ import annotations

import base64
import os
import sys
import threading
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from bootstrap.cli.console import CommandError, Format, Output, client, err, show, show_json
from bootstrap.cli.terminal import pump, raw_keyboard
from bootstrap.client import Client, SeedSilent

HOW_TO_END = "`~.` at the start of a line ends it, Ctrl-C goes to the machine"


def register(app: typer.Typer) -> None:
    app.command()(console)


def console(
    ctx: typer.Context,
    node: Annotated[str, typer.Argument(help="Name or UUID.")],
    run: Annotated[int | None, typer.Option(help="Print what was captured during this run.")] = None,
    last: Annotated[bool, typer.Option("--last", help="The same for the newest run.")] = False,
    captured: Annotated[bool, typer.Option("--captured", help="List the runs that were captured.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Open the serial console, or print what was captured of it during a run.

    It is at the console server that `node set --console` names, else at the BMC (IPMI Serial over LAN).

    Live, `~.` at the start of a line ends it, and all else goes to the machine. Where a run is captured,
    both read along. The end of an input that is no terminal does not end the console; Ctrl-C or a signal
    does: `timeout 60 undercloud node console node-1 < /dev/null`.

    Examples: `undercloud node console node-1`, `undercloud node console node-1 --last | less -R`
    """
    api = client(ctx)
    place = f"/nodes/{node}/console"
    if captured:
        rows = api.get(f"{place}/captured")
        show(rows, {"run": "RUN", "verb": "VERB", "size": "BYTES"}, output)
    elif run is not None or last:
        _print(api.get(f"{place}/captured/{run if run is not None else _newest(api, place, node)}"), output)
    else:
        _watch(api, place)


def _newest(api: Client, place: str, node: str) -> int:
    kept = api.get(f"{place}/captured")
    if not kept:
        raise CommandError(
            f"nothing was captured of {node} yet: its consoles are read while a run is under way"
        )
    return int(kept[-1]["run"])


def _print(found: dict[str, Any], output: Format) -> None:
    data = base64.b64decode(found["data"])
    if output is Format.JSON:
        show_json({**found, "data": data.decode(errors="replace")})
    else:
        _write(data)


def _watch(api: Client, place: str) -> None:
    """Until the console ends, or who watches does."""
    if not api.seed_runs:
        raise CommandError("a console is open as long as a seed runs: `undercloud seed start`")
    lines = api.stream(place, None)
    first = next(lines)
    if "failed" in first:
        raise CommandError(first["failed"])
    of_run = f"; run {first['run']} is under way, and reads along" if first["run"] else ""
    err.print(f"The console of {first['open']} is open{of_run}. {HOW_TO_END}.", markup=False, soft_wrap=True)

    def typed(data: bytes) -> None:
        api.post(f"{place}/typed", {"data": base64.b64encode(data).decode()})

    with raw_keyboard():  # before the machine is seen: what is typed at its first word goes there too
        screen = Screen(lines)
        left = pump(typed, screen.over)
    if not left:
        raise CommandError(f"the console ended: {screen.why}")
    err.print("\nThe console is closed here; the machine goes on.")


class Screen:
    """Writes what the machine does, in a thread; `over` can be read when it has ended, for `why`."""

    def __init__(self, lines: Iterator[dict[str, Any]]) -> None:
        self.why = ""
        self.over, self._ends = os.pipe()
        threading.Thread(target=self._show, args=(lines,), name="screen", daemon=True).start()

    def _show(self, lines: Iterator[dict[str, Any]]) -> None:
        try:
            for line in lines:
                if "data" in line:
                    _write(base64.b64decode(line["data"]))
                self.why = line.get("ended") or line.get("failed") or self.why
        except (SeedSilent, OSError) as error:
            self.why = str(error)
        finally:
            os.close(self._ends)


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
