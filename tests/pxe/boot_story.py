"""Attempts to boot, as tests tell them: a line for each thing that was seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pxe.diagnosis.attempt import Attempt
from pxe.dnsmasq_log import read
from pxe.milestones import Milestone

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MAC, OTHER, SERVER = "52:54:00:00:00:01", "52:54:00:00:00:99", "0a:00:00:00:00:66"
DATA = Path(__file__).parents[1] / "data" / "pxe"
UEFI, IPXE, BIOS, NETWORKD = (
    {"architecture": 7, "vendor_class": "PXEClient:Arch:00007:UNDI:003016"},
    {"architecture": 7, "vendor_class": "PXEClient:Arch:00007:UNDI:003010", "user_class": "iPXE"},
    {"architecture": 0, "vendor_class": "PXEClient:Arch:00000:UNDI:002001"},
    {"vendor_class": "dhcpcd-9.4.1:Linux-6.1.0"},
)


def seen(kind: str, second: float = 0, message: str = "", **data: Any) -> Milestone:
    mac, address = data.pop("mac", MAC), data.pop("address", None)
    at = NOON + timedelta(seconds=second)
    return Milestone(kind, message or kind, mac=mac, address=address, at=at, data=data)


def story(*told: tuple[Any, ...]) -> tuple[Milestone, ...]:
    """Each (kind, data?) ten seconds after the one before."""
    return tuple(seen(kind, 10 * n, **(data[0] if data else {})) for n, (kind, *data) in enumerate(told))


def attempt(*told: tuple[Any, ...], later: float = 3600, **more: Any) -> Attempt:
    """Looked at an hour after the last, unless it is said otherwise."""
    milestones = story(*told)
    last = milestones[-1].at if milestones else NOON
    assert last is not None
    now = last + timedelta(seconds=later)
    known = {"node": "node-1", "macs": (MAC,), "powered": True, "seed": "192.0.2.1"}
    return Attempt(milestones, now, **{**known, **more})


def logged(log: str, mac: str, address: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    """What a machine did in a log that dnsmasq wrote."""
    found = [read(line) for line in (DATA / log).read_text().splitlines()]
    mine = [m for m in found if m and (m.mac == mac or m.address == address)]
    return tuple((m.kind, {"message": m.message, "address": m.address, **m.data}) for m in mine)


def up_to(kind: str) -> tuple[tuple[Any, ...], ...]:
    """A boot of a UEFI machine by iPXE, as long as it went well."""
    kinds = [told[0] for told in WELL]
    return WELL[: kinds.index(kind) + 1]


WELL: tuple[tuple[Any, ...], ...] = (
    ("power.on",),
    ("boot.dhcpdiscover", UEFI),
    ("boot.dhcpoffer", {"server": "192.0.2.1"}),
    ("boot.dhcprequest", {"server": "192.0.2.1"}),
    ("boot.dhcpack", {"address": "192.0.2.201"}),
    ("boot.tftp", {"file": "snponly.efi"}),
    ("boot.dhcpdiscover", IPXE),
    ("boot.dhcpoffer", {"server": "192.0.2.1"}),
    ("boot.dhcprequest", {"server": "192.0.2.1"}),
    ("boot.dhcpack", {"address": "192.0.2.201"}),
    ("boot.script", {"message": "asked what to boot: ramdisk", "boots": "ramdisk"}),
    ("boot.kernel",),
    ("boot.initramfs",),
    ("boot.dhcpdiscover", NETWORKD),
    ("boot.dhcpack", {"address": "192.0.2.201"}),
    ("agent.report", {"disks": 1}),
    ("agent.lookup",),
    ("agent.heartbeat",),
    ("image.written",),
)
