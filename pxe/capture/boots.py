"""The boots in a capture: whose they are, and who answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pxe.capture.foreign import foreign
from pxe.diagnosis.attempt import ORDER, Attempt
from pxe.diagnosis.clients import is_firmware, is_ipxe
from pxe.milestones import KINDS, Hop, Milestone

_QUIET = timedelta(seconds=60)  # between two attempts; a power-on self-test takes at least as long
_ANSWERS = ("boot.dhcpoffer", "boot.dhcpack", "boot.dhcpnak")


@dataclass(frozen=True)
class Server:
    """Who answered by DHCP, and what it told to boot; `gives_addresses`: it is more than a proxy."""

    address: str
    mac: str | None
    files: tuple[str, ...]
    answers: int
    gives_addresses: bool


def by_machine(milestones: Iterable[Milestone]) -> dict[str, list[Milestone]]:
    """What was seen of each MAC that asked for something to boot."""
    found: dict[str, list[Milestone]] = {}
    for milestone in milestones:
        if milestone.mac:
            found.setdefault(milestone.mac, []).append(milestone)
    return {mac: seen for mac, seen in found.items() if any(map(_boots, seen))}


def servers(milestones: Iterable[Milestone]) -> list[Server]:
    """All that answered, the busiest first."""
    found: dict[str, list[Milestone]] = {}
    for milestone in milestones:
        if milestone.kind in _ANSWERS:
            found.setdefault(milestone.data["server"], []).append(milestone)
    told = [_server(address, said) for address, said in found.items()]
    return sorted(told, key=lambda server: -server.answers)


def attempts(
    mac: str, milestones: Iterable[Milestone], until: datetime, own: str | None = None
) -> list[Attempt]:
    """A machine's attempts to boot, oldest first; answers of other servers than `own` are foreign."""
    cut: list[list[Milestone]] = []
    for milestone in milestones:
        if not cut or _begins(milestone, cut[-1]):
            cut.append([])
        cut[-1].append(milestone)
    ends = [seen[0].at or until for seen in cut[1:]] + [until]
    return [_attempt(mac, seen, end, own) for seen, end in zip(cut, ends, strict=True)]


def own_server(found: list[Server]) -> str | None:
    """Which server machines should boot from: the only one, or that which alone tells what to boot."""
    giving = [server for server in found if server.gives_addresses]
    telling = [server for server in giving if server.files] if len(giving) > 1 else giving
    return telling[0].address if len(telling) == 1 else None


def _server(address: str, said: list[Milestone]) -> Server:
    files = dict.fromkeys(str(m.data["file"]) for m in said if m.data.get("file"))
    mac = next((m.data["server_mac"] for m in said if "server_mac" in m.data), None)
    return Server(address, mac, tuple(files), len(said), any(m.address for m in said))


def _attempt(mac: str, seen: list[Milestone], end: datetime, own: str | None) -> Attempt:
    """Nothing more is going to come, and no capture sees what the ramdisk does by TLS."""
    judged = tuple(_judged(m, own) for m in seen) if own else tuple(seen)
    attempt = Attempt(judged, end, node=mac, macs=(mac,), over=True, seed=own, dhcp="site")
    last = max(attempt.reached or Hop.RAMDISK, Hop.RAMDISK, key=ORDER.__getitem__)
    return replace(attempt, until=last)


def _judged(milestone: Milestone, own: str) -> Milestone:
    """A proxy beside the server that gives addresses is there on purpose, most likely."""
    return milestone if milestone.data.get("proxy") else foreign(milestone, {own}) or milestone


def _begins(milestone: Milestone, seen: list[Milestone]) -> bool:
    """Firmware asks anew after it had a loader, or after a while; iPXE goes on where firmware left."""
    if milestone.kind != "boot.dhcpdiscover" or not is_firmware(milestone):
        return False
    before, now = seen[-1].at, milestone.at
    if before and now and now - before > _QUIET:
        return True
    after = Hop.RAMDISK if is_ipxe(milestone) else Hop.LOADER
    hops = [KINDS.get(m.kind) for m in seen]
    return any(ORDER[hop] >= ORDER[after] for hop in hops if hop)


def _boots(milestone: Milestone) -> bool:
    if milestone.kind.startswith("boot.dhcp"):
        return milestone.kind == "boot.dhcp6" or is_firmware(milestone)
    # Any host may fail to connect; what asks for a kernel or a script boots.
    return milestone.kind in KINDS and (milestone.kind != "boot.http-failed" or "file" in milestone.data)
