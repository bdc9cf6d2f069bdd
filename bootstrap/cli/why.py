"""`undercloud why`: why a machine does not boot, and what to do about it."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bootstrap.cli.console import CommandError, Format, Output, client, out, show_json
from bootstrap.cli.events import local
from hwdrivers.mac import normal_mac

STYLES = {"up": "green", "under way": "yellow", "stuck": "red"}
AT = {"up": "is up", "under way": "is on its way to", "stuck": "is stuck before"}

# TFTP's data come from any port: their first bytes tell them (opcodes 1 to 6). Of the port of files only what
# begins with GET or HTTP, and knocks: the files themselves are not looked at.
CAPTURED = (
    "arp or icmp or udp port 67 or udp port 68 or udp port 4011 or udp port 547 or "
    "(udp[8] = 0 and udp[9] > 0 and udp[9] < 7) or tcp port 80 or tcp port 8080 or "
    "(tcp port 8081 and (tcp[13] & 6 != 0 or tcp[(tcp[12] & 0xf0) >> 2 : 4] = 0x47455420 or "
    "tcp[(tcp[12] & 0xf0) >> 2 : 4] = 0x48545450))"
)
TAKE_ONE = (
    "Where no seed runs, or it does not see everything, capture at the machine's switch port or on the DHCP "
    f"server, while the machine is switched on: `tcpdump -i NIC -w boot.pcap '{CAPTURED} or (vlan and udp)'`"
)


def register(app: typer.Typer) -> None:
    app.command("why", epilog=TAKE_ONE)(why)


def why(
    ctx: typer.Context,
    node: Annotated[str | None, typer.Argument(help="Name or UUID; none with --pcap.")] = None,
    pcap: Annotated[
        Path | None,
        typer.Option(help="A capture file (pcap or pcapng, also gzipped) instead of the journal."),
    ] = None,
    mac: Annotated[str | None, typer.Option(help="With --pcap: which of the machines in it.")] = None,
    server: Annotated[
        str | None,
        typer.Option(
            help="With --pcap: the address of the DHCP server that machines should boot from; others are to "
            "blame. By default the one that alone names a boot file."
        ),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Tell why a machine does not boot: the first missing hop, the evidence, and what to do.

    Examples: `undercloud why node-1`, `undercloud why --pcap boot.pcap --mac 52:54:00:00:00:01`,
    `undercloud why node-1 --pcap boot.pcap --server 192.0.2.1`
    """
    if pcap is not None:
        _captured(ctx, pcap, node, mac, server, output)
        return
    if mac or server:
        raise CommandError("--mac and --server are about a capture: name its file with --pcap")
    if node is None:
        raise CommandError("name a node, or a capture file with --pcap")
    found = client(ctx).get(f"/nodes/{node}/why")
    if output is Format.JSON:
        show_json(found)
        return
    show_diagnosis(found["node"], found)
    if found["verdict"] == "stuck":
        out.print(f"\nThe whole way: `undercloud node boot {found['node']}`", markup=False)
    elif found["last_error"]:
        out.print(f"\nIts last error: {found['last_error']}", markup=False)


def _captured(
    ctx: typer.Context, path: Path, node: str | None, mac: str | None, server: str | None, output: Format
) -> None:
    """Of a node the seed knows MACs; without one nothing but the file is needed."""
    from bootstrap.cli.why_capture import why_capture

    own = _address(server) if server else None
    if node is None:
        macs = {_mac(mac)} if mac else set()
    elif mac:
        raise CommandError("the MACs of a node are known: give the node or --mac, not both")
    else:
        macs = set(client(ctx).get(f"/nodes/{node}")["macs"])
    why_capture(path, macs, own, output, site=node is None)


def _address(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise CommandError(f"--server {text}: write the IPv4 address of a DHCP server") from None


def _mac(text: str) -> str:
    found = normal_mac(text)
    if found is None:
        raise CommandError(f"'{text}' is no MAC; write it as 52:54:00:00:00:01")
    return found


def show_diagnosis(name: str, found: dict[str, Any]) -> None:
    """A diagnosis as a person reads it."""
    verdict = found["verdict"]
    hop = "" if verdict == "up" else f" the {found['hop']}"
    where = f"{AT[verdict]}{hop}" if found["evidence"] else "was not seen booting"
    out.print(f"{name} {where}", style=f"bold {STYLES[verdict]}", markup=False, end="")
    out.print(f"  [{found['id']}]" if verdict == "stuck" else "", style="dim", markup=False)
    out.print(f"{found['summary']}.", markup=False)
    if found["evidence"]:
        _part("Seen", _evidence(found["evidence"]))
    if found["causes"]:
        _part("Likely, in this order", _causes(found["causes"]))


def _part(title: str, rows: Table) -> None:
    out.print(f"\n{title}", style="bold")
    out.print(rows)


def _evidence(told: list[dict[str, Any]]) -> Table:
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(no_wrap=True, style="dim")
    for each in told:
        rows.add_row(f"  {local(each['at']) if each['at'] else ''}", Text(each["text"]))
    return rows


def _causes(causes: list[dict[str, Any]]) -> Table:
    rows = Table.grid(padding=(0, 1, 0, 0))
    for number, cause in enumerate(causes, 1):
        rows.add_row(f"  {number}.", Text(cause["what"]))
        rows.add_row("   ", Text(f"→ {cause['do']}", style="cyan"))
    return rows
