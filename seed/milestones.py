"""Boot milestones from dnsmasq's log become events of the node whose machine they are about."""

from __future__ import annotations

from pxe import dnsmasq_log
from pxe.milestones import Milestone
from seed.store import Store
from seed.store.errors import Conflict


class BootJournal:
    """Reads log lines one after another; remembers which address was leased to which MAC."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mac_of: dict[str, str] = {}
        self._last: dict[str, str] = {}

    def read(self, line: str) -> None:
        """Journal the milestone in `line`, once in a row, if it is one of an enrolled machine."""
        found = dnsmasq_log.read(line)
        if found is None:
            return
        mac = found.mac or self._mac_of.get(found.address or "")
        if mac is None:
            return
        if found.kind == "boot.dhcpack" and found.address:
            self._mac_of[found.address] = mac
        if self._last.get(mac) == found.message:
            return
        self._last[mac] = found.message
        self._journal(mac, found)

    def _journal(self, mac: str, found: Milestone) -> None:
        with self._store.write() as tx:
            try:
                node = tx.nodes.by_macs([mac])
            except Conflict:
                return
            if node is not None:
                tx.events.add(found.kind, found.message, node=node.uuid, mac=mac)
