"""The milestones of a boot: what was seen of a machine, and which hop of its way that proves.

Whoever sees something of a machine (dnsmasq's log, the wire, HTTP, the BMC, the agent, the serial console, a
capture file) tells it as a `Milestone`; in the store it is an event of the same kind. Diagnosis reads nothing
else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Hop(StrEnum):
    """The hops from power-on to a running host, in order."""

    POWER = "power on"
    DISCOVER = "DHCPDISCOVER"
    OFFER = "DHCPOFFER"
    LEASE = "DHCPACK"
    LOADER = "boot loader"
    SCRIPT = "boot script"
    KERNEL = "kernel"
    RAMDISK = "ramdisk"
    REPORT = "agent's report"
    LOOKUP = "agent's lookup"
    HEARTBEAT = "agent's heartbeat"
    IMAGE = "image"
    REBOOT = "reboot"
    HOME = "first boot"


class StepFault(StrEnum):
    """What a step of a run failed at, as far as that tells something of the boot."""

    BMC = "bmc"
    NO_POWER = "no power"
    IN_VAIN = "waited in vain"
    AGENT_GONE = "agent gone"
    OTHER_MACHINE = "other machine"
    NO_DISK_FITS = "no disk fits"


class TFTPFailure(StrEnum):
    """Where a transfer came to its end."""

    NOT_FOUND = "not-found"
    UNANSWERED = "unanswered"
    FIRST_BLOCK = "first-block"
    BROKEN = "broken"


@dataclass(frozen=True)
class Milestone:
    """One thing that was seen; `mac` or `address` tells of whom, `at` when (None: just now).

    `data` holds what diagnosis goes by, by kind: see KINDS.
    """

    kind: str
    message: str
    mac: str | None = None
    address: str | None = None
    at: datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict, hash=False)


# Kind → the hop that it proves; None: it proves none, but tells why one is missing.
KINDS: dict[str, Hop | None] = {
    "power.on": Hop.POWER,
    # data: architecture (option 93, a number), vendor_class (60), user_class (77), uuid (97), vlan (802.1Q);
    # `reason` where the seed's DHCP says why it does not answer
    "boot.dhcpdiscover": Hop.DISCOVER,
    # data: server, server_mac, file; `proxy` where it gives no address, only what to boot
    "boot.dhcpoffer": Hop.OFFER,
    "boot.dhcprequest": None,  # data: server
    "boot.dhcpack": Hop.LEASE,  # data: as boot.dhcpoffer
    "boot.dhcpnak": None,  # data: reason
    "boot.dhcpdecline": None,
    # Another server answered; data: server, server_mac, file, answer (offer, ack, nak; request: the machine
    # takes its offer).
    "boot.foreign-dhcp": None,
    "boot.stranger": None,  # a MAC of no node asks; an event of no node; data: as boot.dhcpdiscover
    "boot.dhcp6": None,  # firmware asks for a boot file by IPv6; data: architecture, vlan
    "boot.tftp": Hop.LOADER,  # data: file
    # data: file, reason, failure (TFTPFailure); blocks (acknowledged) and blksize where known
    "boot.tftp-failed": None,
    "boot.http-loader": Hop.LOADER,  # data: file
    "boot.http-failed": None,  # data: server, reason; file where a request was made
    "boot.script": Hop.SCRIPT,  # data: boots (ramdisk or disk), where the seed was asked
    "boot.script-refused": None,  # data: reason
    "boot.loop": None,  # the ramdisk was loaded again and again, and gets no script any more; data: times
    "boot.media": None,  # the BMC is told to insert the ISO image
    "boot.media-fetched": Hop.LOADER,  # the BMC reads it; data: by (its address)
    "boot.media-stays": None,  # the BMC would not eject it; the message says why
    "boot.kernel": Hop.KERNEL,
    "boot.initramfs": Hop.RAMDISK,
    "boot.host-data": None,  # it fetches what is its own, of a host that runs from memory
    "boot.data-refused": None,  # somebody asked for that and is not the machine; data: address
    # A telling line of the serial console; data: sign (pxe/console_signs.py), line
    "boot.console": None,
    "agent.report": Hop.REPORT,  # data: disks (how many)
    "agent.lookup": Hop.LOOKUP,
    "agent.refused": None,
    "agent.heartbeat": Hop.HEARTBEAT,
    "image.written": Hop.IMAGE,
    "power.disk": Hop.REBOOT,  # powered on to boot from disk
    "instance.home": Hop.HOME,
    "instance.refused": None,  # the operating system called, and was sent away
    "power.off": None,
    "step.retry": None,  # data: fault (StepFault), if it is one of these
    "step.failed": None,  # a step of the run gave up; data: step, reason, fault
}
