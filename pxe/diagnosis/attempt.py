"""One attempt of a machine to boot: what was seen of it, and what is known beside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from pxe.milestones import KINDS, Hop, Milestone

ORDER = {hop: place for place, hop in enumerate(Hop)}

# Whose work the hops are: the firmware's, the boot loader's, the agent's.
FIRMWARE = (Hop.DISCOVER, Hop.OFFER, Hop.LEASE, Hop.LOADER)
LOADING = (Hop.SCRIPT, Hop.KERNEL, Hop.RAMDISK)
CALLS = (Hop.REPORT, Hop.LOOKUP, Hop.HEARTBEAT)


class Way(StrEnum):
    """Where an attempt is to lead."""

    RAMDISK = "ramdisk"
    DISK = "disk"
    HOST = "host ramdisk"


@dataclass(frozen=True)
class Usual:
    """How long the fleet's newest boots took from the hop before to this one, in seconds."""

    median: float
    p90: float
    boots: int = 0


@dataclass(frozen=True)
class Attempt:
    """From one power-on to the next; `milestones` are in order, each with its `at`.

    `until` is the hop expected last; None: nobody waits for the machine to boot. `over`: it was given up
    (its run failed, or it was switched on once more). `powered` is what the BMC says now. `strangers` asked
    for DHCP meanwhile, by MACs of no node. `dhcp` is the site's mode: server, proxy, relay or none; `site`
    where no seed runs, in a capture. `boot_interface` is pxe or virtual-media, `boot_mode` bios or uefi.
    `disk_mode`: the boot mode in which the operating system was installed. `seed`: the address that
    machines should hear DHCP and boot files from, by HTTP at `http_port`; `uefi_loader`: ipxe or grub,
    what UEFI machines get there.
    """

    milestones: tuple[Milestone, ...]
    now: datetime
    node: str = "NODE"
    way: Way = Way.RAMDISK
    until: Hop | None = Hop.HEARTBEAT
    over: bool = False
    powered: bool | None = None
    macs: tuple[str, ...] = ()
    system_uuid: str | None = None
    boot_mode: str | None = None
    disk_mode: str | None = None
    secure_boot: bool | None = None
    boot_interface: str = "pxe"
    dhcp: str = "server"
    uefi_loader: str = "ipxe"
    seed: str | None = None
    http_port: int = 8080
    strangers: tuple[Milestone, ...] = ()
    usual: Mapping[Hop, Usual] = field(default_factory=dict, hash=False)

    @cached_property
    def all_hops(self) -> tuple[Hop, ...]:
        """All hops of this attempt's way, in order."""
        return _way(self)

    @cached_property
    def hops(self) -> tuple[Hop, ...]:
        """Those of them up to the one expected last."""
        last = ORDER[self.until] if self.until else -1
        return tuple(hop for hop in self.all_hops if ORDER[hop] <= last)

    @cached_property
    def first(self) -> Mapping[Hop, Milestone]:
        """What proved each hop first."""
        found: dict[Hop, Milestone] = {}
        for milestone in self.milestones:
            hop = KINDS.get(milestone.kind)
            if hop is not None:
                found.setdefault(hop, milestone)
        return found

    @cached_property
    def reached(self) -> Hop | None:
        """The furthest hop of the way that was proven; those before it were passed, seen or not."""
        return max(self.first.keys() & self.all_hops, key=ORDER.__getitem__, default=None)

    @cached_property
    def missing(self) -> Hop | None:
        """The first hop of the way that is not proven; None: the machine is where it should be."""
        behind = ORDER[self.reached] if self.reached else -1
        return next((hop for hop in self.hops if ORDER[hop] > behind), None)

    @cached_property
    def since_reached(self) -> tuple[Milestone, ...]:
        """What was seen since the machine last got further, that first."""
        if self.reached is None:
            return self.milestones
        return self.milestones[self.milestones.index(self.first[self.reached]) :]

    def of(self, *kinds: str) -> tuple[Milestone, ...]:
        """The milestones of these kinds."""
        return tuple(m for m in self.milestones if m.kind in kinds)

    def after(self, *kinds: str) -> tuple[Milestone, ...]:
        """What was seen after the last milestone of these kinds; all of it where there is none."""
        places = [place for place, m in enumerate(self.milestones) if m.kind in kinds]
        return self.milestones[places[-1] + 1 :] if places else self.milestones

    def signs(self, names: Iterable[str]) -> tuple[Milestone, ...]:
        """Telling lines of the serial console (pxe/console_signs.py) since the machine last got further."""
        wanted = frozenset(names)
        return tuple(m for m in self.since_reached if m.data.get("sign") in wanted)


def _way(attempt: Attempt) -> tuple[Hop, ...]:
    if attempt.way is Way.DISK:  # what firmware asks of the network on its way to the disk proves nothing
        return (Hop.POWER, Hop.REBOOT, Hop.HOME)
    if attempt.way is Way.HOST:
        return (Hop.POWER, *FIRMWARE, *LOADING, Hop.HOME)
    if attempt.boot_interface == "virtual-media":
        return (Hop.POWER, Hop.LOADER, *CALLS, Hop.IMAGE)
    return (Hop.POWER, *FIRMWARE, *LOADING, *CALLS, Hop.IMAGE)
