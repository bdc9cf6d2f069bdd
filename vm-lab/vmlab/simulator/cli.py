"""`undercloud lab simulate`, `fault` and `simulated`: a fleet of simulated BMCs from the command line."""

from __future__ import annotations

import asyncio
import re
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from vmlab.errors import LabError
from vmlab.explained import explained
from vmlab.rack import racks_folder, write_secret
from vmlab.simulator import Settings, addresses, faults
from vmlab.simulator.simulation import Control

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


class Protocol(StrEnum):
    ipmi = "ipmi"
    redfish = "redfish"
    both = "both"


class Format(StrEnum):
    table = "table"
    json = "json"


Name = Annotated[str, typer.Option("--name", help="Which simulator; several can run side by side.")]
Output = Annotated[Format, typer.Option("-o", "--output", help="table or json.")]


def simulate(
    bmcs: Annotated[int, typer.Option("--bmcs", help="How many, from the start of the block on.")] = 100,
    protocol: Annotated[Protocol, typer.Option("--protocol")] = Protocol.both,
    block: Annotated[
        str, typer.Option("--block", help="Each address of it may be a BMC: 127/8 or one routed here.")
    ] = "127.64.0.0/16",
    ipmi_port: Annotated[int, typer.Option("--ipmi-port", help="UDP; below 1024 needs root.")] = 623,
    redfish_port: Annotated[int, typer.Option("--redfish-port", help="TCP; below 1024 needs root.")] = 443,
    tls: Annotated[bool, typer.Option("--tls/--no-tls", help="Redfish with its own certificate.")] = True,
    personality: Annotated[
        list[str] | None,
        typer.Option("--personality", help="What BMCs say: plain, or a recorded FILE; some: FILE@ADDRESSES."),
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option("--fault", help="KIND[=VALUE][:ADDRESSES]; more: lab fault --help.")
    ] = None,
    latency: Annotated[
        str, typer.Option("--latency", help="Seconds before an answer: 0.02, or MEDIAN,SIGMA (log-normal).")
    ] = "",
    scattered: Annotated[
        bool, typer.Option("--scattered", help="Spread over the block by chance, by --seed.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same fleet and chances.")] = 1,
    username: Annotated[str, typer.Option("--username")] = "admin",
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help="Its first line; else one is made and kept.")
    ] = None,
    name: Name = "sim",
    output: Output = Format.table,
) -> None:
    """Simulate a fleet of BMCs in this process until Ctrl-C, then say what was done to it.

    Nothing is kept of BMCs that nobody asks; 10,000 take some 70 MB when all were asked.

    Examples:

      undercloud lab simulate --bmcs 10000

      undercloud lab simulate --protocol ipmi --ipmi-port 6230 --latency 0.02,0.5

      undercloud lab simulate --personality x11.json@127.64.1.0/24 --fault lockout:127.64.0.10-20
    """
    with explained(err):
        folder = _folder(name)
        settings = Settings(
            block=block,
            bmcs=bmcs,
            scattered=scattered,
            seed=seed,
            ipmi_port=None if protocol is Protocol.redfish else ipmi_port,
            redfish_port=None if protocol is Protocol.ipmi else redfish_port,
            tls=tls,
            username=username,
            password=_password(folder, password_file),
            personality=next((name for name in reversed(personality or ()) if "@" not in name), "plain"),
            others=tuple(name for name in personality or () if "@" in name),
            latency=latency,
            faults=tuple(fault or ()),
        )
        _serve(settings, folder, password_file or folder / "password", output)


def _serve(settings: Settings, folder: Path, password: Path, output: Format) -> None:
    # Here, since every `undercloud` command imports this file, and this takes a tenth of a second.
    from vmlab.simulator import serving

    control = folder / "control"
    if _answers(control):
        raise LabError(f"simulator {folder.name} runs already", do="End it, or give this one another --name.")
    control.unlink(missing_ok=True)
    try:
        fleet = asyncio.run(
            serving.serve(settings, control, lambda serves: _announce(settings, serves, password, output))
        )
    finally:
        control.unlink(missing_ok=True)
    _print(fleet.totals(), output)


def fault(
    faults_: Annotated[list[str] | None, typer.Argument(metavar="KIND[=VALUE][:ADDRESSES]...")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="End these faults, or all of them.")] = False,
    name: Name = "sim",
) -> None:
    """Make simulated BMCs fail, or end that, while the simulator runs. Without arguments: what there is.

    Examples:

      undercloud lab fault lockout=60:127.64.0.10-20

      undercloud lab fault reboot=5:127.64.0.7 drop=0.1:127.64.1.0/24

      undercloud lab fault --clear lockout

      undercloud lab fault --clear
    """
    with explained(err):
        if not faults_ and not clear:
            out.print(_kinds())
            return
        control = _control(name)
        for text in faults_ or [""] if clear else faults_ or []:
            kind, _, where = text.partition(":")
            if clear:
                control.clear(kind or None, where or None)
            else:
                control.fault(kind, where)
            out.print(f"{where or 'all BMCs'}: {_done(kind, clear)}", markup=False, soft_wrap=True)


def simulated(
    address: Annotated[str | None, typer.Argument(help="One BMC; without it: all together.")] = None,
    name: Name = "sim",
    output: Output = Format.table,
) -> None:
    """Show what was done to the simulated BMCs: log-ins, wrong passwords, sessions, requests, power changes.

    Examples:

      undercloud lab simulated

      undercloud lab simulated 127.64.0.10 -o json
    """
    with explained(err):
        control = _control(name)
        _print(control.remembered(address) if address else control.totals(), output)


def _folder(name: str) -> Path:
    """Where the control socket and the password are; only for its owner."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,30}", name):
        raise LabError(f"{name!r} is no name for a simulator", do="Use letters, digits and hyphens.")
    folder = racks_folder().parent / "simulators" / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


def _answers(path: Path) -> bool:
    try:
        Control(path).close()
    except LabError:
        return False
    return True


def _control(name: str) -> Control:
    return Control(_folder(name) / "control")


def _password(folder: Path, file: Path | None) -> str:
    if file is None:
        file = folder / "password"
        if not file.exists():
            write_secret(file, secrets.token_urlsafe(9) + "\n")
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"password file {file}: {error}") from None
    if not lines or not lines[0]:
        raise LabError(f"password file {file} is empty", do="Its first line is the password.")
    return lines[0]


def _announce(settings: Settings, serves: dict[str, Any], password: Path, output: Format) -> None:
    members = settings.members()
    scheme = "redfish+https" if settings.tls else "redfish+http"
    ports = {"ipmi": serves["ipmi_port"], scheme: serves["redfish_port"]}
    told = {
        "bmcs": len(members),
        "first": addresses.text(members[0]),
        "last": addresses.text(members[-1]),
        "addresses": [f"{kind}://ADDRESS:{port}" for kind, port in ports.items() if port],
        "personality": serves["personality"],
        "username": settings.username,
        "password_file": str(password),
        "faults": list(settings.faults),
    }
    _print(told, output)
    err.print("Ctrl-C ends it.")


def _print(told: dict[str, Any], output: Format) -> None:
    if output is Format.json:
        out.print_json(data=told)
        return
    table = Table("", "", show_header=False, box=None)
    for key, value in told.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        table.add_row(key.replace("_", " "), text)
    out.print(table)


def _done(fault_: str, clear: bool) -> str:
    if clear:
        return f"{fault_ or 'all faults'} ended"
    parsed, _ = faults.parse(fault_)
    words = faults.KINDS[parsed.kind][1].replace("VALUE", f"{parsed.value:g}")
    return f"{parsed.kind}: {words}"


def _kinds() -> Table:
    table = Table("kind", "what it does", "value when none is given")
    for kind, (value, words) in faults.KINDS.items():
        table.add_row(kind, words, f"{value:g}" if "VALUE" in words else "")
    return table
