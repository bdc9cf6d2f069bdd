"""How long a hop may take until it is called missing: never cry wolf."""

from __future__ import annotations

from pxe.diagnosis.attempt import Attempt
from pxe.milestones import Hop

LEAST = 20.0  # seconds; whatever is usual, a busy switch or a lost packet costs as much
FACTOR = 3.0  # times the 90th percentile of the fleet

# Seconds from the hop before, where the fleet has shown nothing yet. Servers with much memory and many option
# ROMs take 10 minutes to the first DISCOVER (Dell R940, HPE DL580); TFTP of 1 MB loaders takes 10 s on WANs.
UNKNOWN: dict[Hop, float] = {
    Hop.POWER: 120,
    Hop.DISCOVER: 600,
    Hop.OFFER: 30,
    Hop.LEASE: 30,
    Hop.LOADER: 60,
    Hop.SCRIPT: 90,
    Hop.KERNEL: 60,
    Hop.RAMDISK: 120,
    Hop.REPORT: 420,
    Hop.LOOKUP: 90,
    Hop.HEARTBEAT: 180,
    Hop.IMAGE: 1800,
    Hop.REBOOT: 300,
    Hop.HOME: 1200,
}


def patience(attempt: Attempt, hop: Hop) -> float:
    """Seconds that this hop may take."""
    usual = attempt.usual.get(hop)
    return UNKNOWN[hop] if usual is None else max(LEAST, FACTOR * usual.p90)


def waited(attempt: Attempt) -> float:
    """Seconds since the machine last got further, or since the attempt began."""
    at = [m.at for m in (*attempt.first.values(), *attempt.milestones[:1]) if m.at]
    return (attempt.now - max(at)).total_seconds() if at else float("inf")
