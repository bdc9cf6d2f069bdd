"""`undercloud lab record`: a real BMC's answers and timings, to be replayed by `undercloud lab simulate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from vmlab.errors import LabError
from vmlab.explained import explained
from vmlab.rack import write_secret
from vmlab.simulator import fru, secrecy
from vmlab.simulator.recording import Crawl, Target, Told, targets

err = Console(stderr=True, highlight=False)


def record(
    bmc: Annotated[str, typer.Argument(help="10.0.0.5 (both protocols), or ipmi://… or redfish+https://….")],
    username: Annotated[str, typer.Option("--username", help="One log-in is tried, no second one.")],
    password_file: Annotated[Path, typer.Option("--password-file", help="Its first line.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The personality file to write.")],
    anonymize: Annotated[
        bool, typer.Option("--anonymize", help="Pseudonyms for serials, MACs, UUIDs, host names, addresses.")
    ] = False,
    rate: Annotated[float, typer.Option("--rate", min=0.1, help="Requests a second; BMCs are slow.")] = 5.0,
    most: Annotated[int, typer.Option("--most", min=1, help="Redfish documents at most.")] = 2000,
) -> None:
    """Record a BMC's answers and timings; passwords, tokens, communities and keys are left out.

    It only reads. The file serves as a personality: undercloud lab simulate --personality FILE

    Examples:

      undercloud lab record 10.0.0.5 --username admin --password-file pw -o r740.json --anonymize

      undercloud lab record ipmi://10.0.0.5 --username ADMIN --password-file pw -o x11.json
    """
    with explained(err):
        password = _first_line(password_file)
        told: dict[str, Any] = {"latency": {}}
        with err.status(f"reading {bmc}") as status:
            for target in targets(bmc):
                _record(target, username, password, rate, most, told, lambda text: status.update(text))
        if anonymize:
            told = _anonymous(told)
        write_secret(output, _rendered(told))
        count = len(told.get("redfish", {}))
        err.print(f"{output}: {count} Redfish documents, {'IPMI' if 'ipmi' in told else 'no IPMI'}")


def _record(
    target: Target, username: str, password: str, rate: float, most: int, into: dict[str, Any], told: Told
) -> None:
    if target.scheme == "ipmi":
        # Here, since every `undercloud` command imports this file, and pyghmi takes a tenth of a second.
        from vmlab.simulator.ipmi_recording import IPMIRecording

        ipmi = IPMIRecording(target, rate, told)
        ipmi.read(username, password)
        into["ipmi"], into["latency"]["ipmi"] = ipmi.facts, ipmi.seconds
    else:
        crawl = Crawl(target, rate, most, told)
        crawl.read(username, password)
        if not crawl.documents:
            raise LabError(f"{target.url} has no Redfish service", do="Record ipmi://… of it.")
        into["redfish"], into["redfish_status"] = crawl.documents, crawl.statuses
        into["latency"]["redfish"] = crawl.seconds


def _anonymous(told: dict[str, Any]) -> dict[str, Any]:
    names = secrecy.Pseudonyms()
    names.learn(told.get("redfish", {}))
    facts = told.get("ipmi", {})
    area = bytes.fromhex(facts.get("fru", ""))
    for serial in fru.serials(area):
        names.learn_serial(serial)
    if facts:
        facts = {**facts, "fru": fru.checked(names.in_bytes(area)).hex()}
        facts.pop("guid", None)
        facts.pop("lan", None)
        told = {**told, "ipmi": facts}
    return {**told, "redfish": names.applied(told["redfish"])} if "redfish" in told else told


def _first_line(file: Path) -> str:
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"password file {file}: {error}") from None
    if not lines or not lines[0]:
        raise LabError(f"password file {file} is empty", do="Its first line is the password.")
    return lines[0]


def _rendered(told: dict[str, Any]) -> str:
    """One document a line, so that two recordings can be compared."""
    parts = [f'  "{name}": {json.dumps(part)}' for name, part in told.items() if name != "redfish"]
    lines = [f"    {json.dumps(path)}: {json.dumps(doc)}" for path, doc in told.get("redfish", {}).items()]
    if lines:
        parts.append('  "redfish": {\n' + ",\n".join(lines) + "\n  }")
    return "{\n" + ",\n".join(parts) + "\n}\n"
