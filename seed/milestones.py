"""Boot milestones of dnsmasq's log and of the wire become events of the node whose machine they are about.

The log tells what dnsmasq did, the wire what machines and other DHCP servers say. Both tell that a machine
asks: the wire tells it better, so it is journaled from the log only where the wire is not heard.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container
from dataclasses import replace
from typing import Any

from pxe.capture.foreign import foreign
from pxe.diagnosis.clients import is_firmware
from pxe.dnsmasq_log import LogReader
from pxe.milestones import Milestone
from seed.model import Node
from seed.store import Store
from seed.store.errors import Conflict

STRANGER_AGAIN = 240.0  # seconds; firmware that nobody answers asks for hours
_TFTP = ("boot.tftp", "boot.tftp-failed")
_STRANGERS = 4096  # MACs remembered: whoever makes up new ones fills neither memory nor the journal quickly


class BootJournal:
    """Takes lines of the log and milestones of the wire; remembers which address was leased to which MAC.

    `own`: the addresses that this site's seeds answer from. `proxy`: another server gives addresses, and is
    meant to. `heard` tells whether the wire is listened to.
    """

    def __init__(
        self,
        store: Store,
        *,
        own: Container[str] = (),
        proxy: bool = False,
        heard: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._own = own
        self._proxy = proxy
        self._heard = heard
        self._clock = clock
        self._log = LogReader()
        self._mac_of: dict[str, str] = {}
        self._last: dict[str, tuple[Any, ...]] = {}
        self._strangers: dict[str, float] = {}
        self._one_at_a_time = threading.Lock()

    def read(self, line: str) -> None:
        """Journal the milestone in a line of dnsmasq's log."""
        found = self._log.read(line)
        if found is None:
            return
        heard = self._heard()
        if heard and found.kind == "boot.dhcpdiscover" and "reason" not in found.data:
            return
        self._take(found, strangers=not heard)

    def hear(self, found: Milestone) -> None:
        """Journal a milestone of the wire, unless dnsmasq's log tells it."""
        if found.kind in ("boot.dhcpdiscover", "boot.dhcp6", "boot.tftp-failed"):
            self._take(found, strangers=is_firmware(found))
            return
        other = foreign(found, self._own)
        if other is None:
            return
        expected = self._proxy and not other.data.get("file")
        self._take(found if expected else other, strangers=False)

    def sent(self, found: Milestone) -> None:
        """Journal what this seed itself served by TFTP, or refused."""
        self._take(found, strangers=False)

    def _take(self, found: Milestone, *, strangers: bool) -> None:
        """Journal it, once in a row, if it is about an enrolled machine, or about a stranger that asks."""
        with self._one_at_a_time:
            mac = self._whose(found)
            if mac is None or self._told(mac, found):
                return
            found = replace(found, mac=mac)
            node = self._node(mac)
            if node is not None:
                self._last[mac] = _gist(found)
                self._journal(found, node)
            elif strangers and found.kind == "boot.dhcpdiscover" and self._new(mac):
                self._journal(replace(found, kind="boot.stranger", message=f"{mac} asks, of no node"), None)

    def _whose(self, found: Milestone) -> str | None:
        """What comes through a router has the router's MAC: the lease tells the machine's."""
        if found.kind == "boot.dhcpack" and found.address and found.mac:
            self._mac_of[found.address] = found.mac
        if found.kind.startswith("boot.dhcp"):
            return found.mac
        return self._mac_of.get(found.address or "", found.mac)

    def _told(self, mac: str, found: Milestone) -> bool:
        """Whether it was the last that was journaled; of a file, dnsmasq tells better than the wire."""
        last = self._last.get(mac)
        of_wire = found.kind == "boot.tftp-failed" and found.at is not None
        return last == _gist(found) or (of_wire and last is not None and last[0] in _TFTP)

    def _node(self, mac: str) -> Node | None:
        with self._store.read() as tx:
            try:
                return tx.nodes.by_macs([mac])
            except Conflict:
                return None

    def _new(self, mac: str) -> bool:
        """Whether this stranger was not told of lately."""
        now, before = self._clock(), self._strangers.pop(mac, None)
        if before is not None and now - before < STRANGER_AGAIN:
            self._strangers[mac] = before
            return False
        if len(self._strangers) >= _STRANGERS:
            del self._strangers[next(iter(self._strangers))]
        self._strangers[mac] = now
        return True

    def _journal(self, found: Milestone, node: Node | None) -> None:
        address = {"address": found.address} if found.address else {}
        told = {**found.data, **address, "mac": found.mac}
        with self._store.write() as tx:
            tx.events.add(found.kind, found.message, node=node.uuid if node else None, **told)


def _gist(found: Milestone) -> tuple[Any, ...]:
    """What makes it another one than the last."""
    asked_as = (found.data.get(key) for key in ("architecture", "user_class", "vlan", "server"))
    return found.kind, found.message, *asked_as
