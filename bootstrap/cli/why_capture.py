"""`undercloud why --pcap`: the same from a capture file, for a site where the seed does not run yet."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.cli.console import CommandError, Format, out, show_json
from bootstrap.cli.why_capture_view import show_machine, show_machines, show_servers

if TYPE_CHECKING:  # reading captures takes a while to load, which other commands do not pay
    from pxe.capture.file import Capture
    from pxe.diagnosis.attempt import Attempt
    from pxe.diagnosis.diagnosis import Diagnosis
    from pxe.milestones import Milestone


def why_capture(
    path: Path, macs: Collection[str], server: str | None, output: Format, *, site: bool = True
) -> None:
    """Print what a capture tells of the machine with any of `macs`, or of all; raises CommandError.

    `server`: who should answer; `site`: no seed runs there.
    """
    from pxe.capture.file import CaptureError, read

    try:
        found = read(path)
    except CaptureError as error:
        raise CommandError(str(error)) from error
    document = _document(found, server, site=site)
    machines = [each for each in document["machines"] if not macs or each["mac"] in macs]
    if not machines:
        raise CommandError(_nobody(path, found, macs, document["machines"]))
    if output is Format.JSON:
        show_json({**document, "machines": machines})
        return
    show_servers(document["servers"])
    if len(machines) == 1:
        show_machine(machines[0])
    else:
        show_machines(machines, path)
    if found.cut:
        out.print("\nThe file breaks off: what came later is not in it.", style="yellow")


def _document(found: Capture, server: str | None, *, site: bool) -> dict[str, Any]:
    from pxe.capture import boots

    servers = boots.servers(found.milestones)
    own = server or boots.own_server(servers)
    machines = boots.by_machine(found.milestones).items()
    return {
        "frames": found.frames,
        "until": found.until.isoformat(),
        "servers": [asdict(each) for each in servers],
        "server": own,
        "machines": [
            _machine(mac, boots.attempts(mac, seen, found.until, own), site=site) for mac, seen in machines
        ],
    }


def _machine(mac: str, attempts: list[Attempt], *, site: bool) -> dict[str, Any]:
    from pxe.diagnosis.clients import architecture
    from pxe.firmware import ARCHITECTURES

    code = next((code for code in map(architecture, reversed(attempts)) if code is not None), None)
    asked = (m.data.get("uuid") for attempt in attempts for m in attempt.of("boot.dhcpdiscover"))
    addresses = (m.address for attempt in attempts for m in attempt.of("boot.dhcpack"))
    return {
        "mac": mac,
        "architecture": code,
        "firmware": ARCHITECTURES[code].name if code in ARCHITECTURES else None,
        "uuid": next(filter(None, asked), None),
        "address": next(filter(None, addresses), None),
        "attempts": [_attempt(attempt, site=site) for attempt in attempts],
    }


def _attempt(attempt: Attempt, *, site: bool) -> dict[str, Any]:
    from pxe.diagnosis.diagnose import diagnose

    return {
        "began": attempt.milestones[0].at,
        "ended": attempt.now,
        "reached": attempt.reached,
        "seen": [_seen(milestone) for milestone in attempt.milestones],
        "diagnosis": _told(diagnose(attempt), site=site),
    }


def _seen(milestone: Milestone) -> dict[str, Any]:
    return {
        "at": milestone.at,
        "kind": milestone.kind,
        "message": milestone.message + _beside(milestone),
        "data": dict(milestone.data),
    }


def _beside(milestone: Milestone) -> str:
    """Who says it: the firmware, or which server."""
    from pxe.diagnosis.clients import is_ipxe
    from pxe.firmware import ARCHITECTURES

    said = milestone.data
    if milestone.kind in ("boot.dhcpoffer", "boot.dhcpack", "boot.dhcpnak"):
        return f" by {said['server']}, {'boot file ' + said['file'] if 'file' in said else 'no boot file'}"
    if milestone.kind != "boot.dhcpdiscover":
        return ""
    known = ARCHITECTURES.get(said.get("architecture", -1))
    asker = "iPXE" if is_ipxe(milestone) else said.get("vendor_class")
    vlan = f"VLAN {said['vlan']}" if "vlan" in said else None
    words = ", ".join(filter(None, [asker, known.name if known else None, vlan]))
    return f" by {words}" if words else ""


def _told(found: Diagnosis, *, site: bool) -> dict[str, Any]:
    """Where no seed runs, what it says of the seed is about whoever answers; its commands are of no use."""
    from seed.api.boots import diagnosis_view

    view = diagnosis_view(found)
    if not site:
        return view
    view["summary"] = _elsewhere(view["summary"])
    causes = [cause for cause in view["causes"] if not cause["do"].startswith("`undercloud")]
    view["causes"] = [{key: _elsewhere(words) for key, words in cause.items()} for cause in causes]
    return view


def _elsewhere(words: str) -> str:
    return words.replace("the seed's DHCP", "the DHCP server").replace("the seed", "the boot server")


def _nobody(path: Path, found: Capture, macs: Collection[str], others: list[dict[str, Any]]) -> str:
    if not macs:
        return (
            f"{path}: none of its {found.frames} frames is of a machine that boots from the network: capture "
            "where its DHCP passes, while it is switched on (undercloud why --help)"
        )
    heard = ", ".join(each["mac"] for each in others) or "no machine at all"
    return (
        f"{path}: {', '.join(sorted(macs))} asks for nothing in it; heard: {heard}. If the machine was "
        "switched on meanwhile, it boots from another NIC, from its disk, or in another VLAN"
    )
