"""The MAC addresses of those who live on our own segments, as the kernel learnt them (ARP, ND)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from hwdrivers.mac import normal_mac

_ARP = Path("/proc/thread-self/net/arp")


class Neighbours:
    """Looks again only for an address that it has not seen."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._missed: set[str] = set()

    def mac(self, host: str) -> str | None:
        """aa:bb:cc:dd:ee:ff; None: it lives behind a router, or the kernel has forgotten it."""
        plain = host.partition("%")[0]
        if plain not in self._known and plain not in self._missed:
            self._known |= _by_nd() if ":" in plain else _by_arp()
            if plain not in self._known:
                self._missed.add(plain)
        return self._known.get(plain)


def _by_arp() -> dict[str, str]:
    """Read from the kernel's file, for a thousand hosts may ask: starting `ip` for each takes seconds."""
    rows = [line.split() for line in _ARP.read_text().splitlines()[1:]] if _ARP.exists() else []
    macs = ((row[0], normal_mac(row[3])) for row in rows if len(row) >= 4)
    return {host: mac for host, mac in macs if mac}


def _by_nd() -> dict[str, str]:
    command = ["ip", "-6", "-json", "neighbour", "show"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=True)
        rows = json.loads(done.stdout or b"[]")
    except (OSError, subprocess.SubprocessError, ValueError):  # nothing depends on it
        return {}
    macs = ((row.get("dst"), normal_mac(row.get("lladdr"))) for row in rows)
    return {host: mac for host, mac in macs if host and mac}
