"""Boot milestones of dnsmasq's log and of the wire become events of the node whose machine they are about.

The log tells what dnsmasq did, the wire what machines and other DHCP servers say. Both tell that a machine
asks: the wire tells it better, so it is journaled from the log only where the wire is not heard.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any, Self

from pxe.capture.foreign import foreign
from pxe.diagnosis.clients import is_firmware
from pxe.dnsmasq_log import LogReader
from pxe.milestones import Milestone
from seed.lately import STRANGER_AGAIN, STRANGERS, Lately
from seed.store import Store, Transaction
from seed.store.errors import Conflict

log = logging.getLogger(__name__)

LEASES = 65_536  # addresses remembered: forged answers name any
WAITING = 10_000  # milestones, while the store does not answer; what comes then is lost
_TFTP = ("boot.tftp", "boot.tftp-failed")

_Come = tuple[Milestone, bool]  # and whether it may be told of a stranger


class BootJournal:
    """Takes lines of the log and milestones of the wire in the order in which they come, while entered.

    Whoever tells does not wait for the store: a thread writes down what has come meanwhile, all at once.

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
        self._log = LogReader()
        self._mac_of: dict[str, str] = {}
        self._last: dict[str, tuple[Any, ...]] = {}
        self._strangers = Lately(STRANGERS, STRANGER_AGAIN, clock)
        self._come: SimpleQueue[_Come | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="boot journal", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Returns when all that came is written down."""
        self._come.put(None)
        self._thread.join()

    def read(self, line: str) -> None:
        """Journal the milestone in a line of dnsmasq's log."""
        found = self._log.read(line)
        if found is None:
            return
        heard = self._heard()
        if heard and found.kind == "boot.dhcpdiscover" and "reason" not in found.data:
            return
        self._keep(found, not heard)

    def hear(self, found: Milestone) -> None:
        """Journal a milestone of the wire, unless dnsmasq's log tells it."""
        if found.kind in ("boot.dhcpdiscover", "boot.dhcp6", "boot.tftp-failed"):
            self._keep(found, is_firmware(found))
            return
        other = foreign(found, self._own)
        if other is None:
            return
        expected = self._proxy and not other.data.get("file")
        self._keep(found if expected else other, False)

    def sent(self, found: Milestone) -> None:
        """Journal what this seed itself served by TFTP, or refused."""
        self._keep(found, False)

    def _keep(self, found: Milestone, strangers: bool) -> None:
        if self._come.qsize() < WAITING:
            self._come.put((found, strangers))

    def _write(self) -> None:
        while batch := self._waiting():
            try:
                with self._store.write() as tx:
                    for found, strangers in batch:
                        self._take(tx, found, strangers)
            except Exception:
                log.exception("%d milestones of boots could not be journaled", len(batch))

    def _waiting(self) -> list[_Come]:
        """What has come, at least one; nothing at the end."""
        batch: list[_Come] = []
        with suppress(Empty):
            while (came := self._come.get(block=not batch)) is not None:
                batch.append(came)
            if batch:
                self._come.put(None)  # the end is for the next time
        return batch

    def _take(self, tx: Transaction, found: Milestone, strangers: bool) -> None:
        """Journal it, once in a row, if it is about an enrolled machine, or about a stranger that asks."""
        mac = self._whose(found)
        if mac is None or self._told(mac, found):
            return
        found = replace(found, mac=mac)
        try:
            node = tx.nodes.by_macs([mac])
        except Conflict:
            return
        if node is not None:
            self._last[mac] = _gist(found)
            _journal(tx, found, node.uuid)
        elif strangers and found.kind == "boot.dhcpdiscover" and self._strangers.is_new(mac):
            _journal(tx, replace(found, kind="boot.stranger", message=f"{mac} asks, of no node"), None)

    def _whose(self, found: Milestone) -> str | None:
        """What comes through a router has the router's MAC: the lease tells the machine's."""
        if found.kind == "boot.dhcpack" and found.address and found.mac:
            self._mac_of[found.address] = found.mac
            if len(self._mac_of) > LEASES:
                del self._mac_of[next(iter(self._mac_of))]
        if found.kind.startswith("boot.dhcp"):
            return found.mac
        return self._mac_of.get(found.address or "", found.mac)

    def _told(self, mac: str, found: Milestone) -> bool:
        """Whether it was the last that was journaled; of a file, dnsmasq tells better than the wire."""
        last = self._last.get(mac)
        of_wire = found.kind == "boot.tftp-failed" and found.at is not None
        return last == _gist(found) or (of_wire and last is not None and last[0] in _TFTP)


def _journal(tx: Transaction, found: Milestone, node: str | None) -> None:
    address = {"address": found.address} if found.address else {}
    tx.events.add(found.kind, found.message, node=node, **{**found.data, **address, "mac": found.mac})


def _gist(found: Milestone) -> tuple[Any, ...]:
    """What makes it another one than the last."""
    asked_as = (found.data.get(key) for key in ("architecture", "user_class", "vlan", "server"))
    return found.kind, found.message, *asked_as
