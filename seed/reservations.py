"""Who gets an answer by DHCP, and which address: rendered from the store before a machine is powered on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path

from profiles.site import AmbiguousProfile, NoProfile, Site
from pxe.dnsmasq import Reservation, render_hosts
from seed.model import Bootable
from seed.store import Store


class Reservations:
    """Keeps dnsmasq's hosts file equal to what the store says."""

    def __init__(self, store: Store, hosts_file: Path, reload: Callable[[], None]) -> None:
        self._store = store
        self._hosts_file = hosts_file
        self._reload = reload
        self._one_at_a_time = threading.Lock()
        self._tickets = count(1)
        self._served = 0
        self._written_at: int | None = None  # the newest event when the file was written

    def keep_up(self) -> None:
        """Refresh if anything happened since the last time: what is written changes with an event alone."""
        with self._store.read() as tx:
            newest = tx.events.newest_id()
        if newest != self._written_at or not self._hosts_file.exists():
            self.refresh()

    def refresh(self) -> None:
        """Write the file and have it read again, if anything changed; returns when it is so.

        One look at the store serves all callers that asked before it began.
        """
        mine = next(self._tickets)
        with self._one_at_a_time:
            if self._served < mine:
                begins = next(self._tickets)
                self._refresh()
                self._served = begins

    def _refresh(self) -> None:
        with self._store.read() as tx:
            newest, nodes, site = tx.events.newest_id(), tx.fleet.bootable(), tx.documents.site()
        if not self._hosts_file.parent.exists():
            return  # no seed has served here yet; the first one writes the file
        self._write(render_hosts([entry for node in nodes for entry in _of(node, site)]))
        self._written_at = newest

    def _write(self, text: str) -> None:
        if self._hosts_file.exists() and self._hosts_file.read_text() == text:
            return
        staged = self._hosts_file.with_suffix(".new")
        staged.write_text(text)
        staged.chmod(0o644)
        staged.replace(self._hosts_file)
        self._reload()


def _of(node: Bootable, site: Site) -> list[Reservation]:
    """One entry for each MAC; the address goes to the first declared MAC, else to the NIC that boots."""
    try:
        host = site.host_for(node.facts)
    except (NoProfile, AmbiguousProfile):
        host = None
    first = host.macs[0] if host and host.macs else node.boot_mac
    address = host.address if host else None
    return [Reservation(mac, node.name, address if mac == first else None) for mac in node.macs]
