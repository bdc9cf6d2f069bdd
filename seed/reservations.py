"""Who gets an answer by DHCP, and which address: rendered from the store before a machine is powered on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path

from profiles.site import AmbiguousProfile, NoProfile, Site
from pxe.dnsmasq import Reservation, render_hosts, render_options
from seed.grub_files import GrubFiles
from seed.model import Bootable
from seed.store import Store


class Reservations:
    """Keeps dnsmasq's hosts file equal to what the store says."""

    def __init__(
        self,
        store: Store,
        hosts_file: Path,
        reload: Callable[[], None],
        *,
        grub: GrubFiles | None = None,
        signed: bool = False,
        base_url: str = "",
    ) -> None:
        """`signed`: all UEFI machines get signed loaders, not only those whose Secure Boot is on."""
        self._grub = grub
        self._signed = signed
        self._base_url = base_url
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
        signed = [node for node in nodes if self._signed or node.secure_boot]
        if self._grub is not None:
            self._grub.write(signed)
        entries = [entry for node in nodes for entry in self._of(node, site)]
        changed = [
            _written(self._hosts_file, render_hosts(entries)),
            _written(self._hosts_file.with_suffix(".opts"), render_options(entries)),
        ]
        if any(changed):
            self._reload()
        self._written_at = newest

    def _of(self, node: Bootable, site: Site) -> list[Reservation]:
        """One entry for each MAC; signed loaders for what takes no others."""
        signed = self._signed or bool(node.secure_boot)
        iso_url = f"{self._base_url}/boot/{node.uuid}/ramdisk.iso" if signed else None
        addresses = _addresses(node, site)
        return [Reservation(mac, node.name, addresses.get(mac), signed, iso_url) for mac in node.macs]


def _written(path: Path, text: str) -> bool:
    """Whether the file had to be changed."""
    if path.exists() and path.read_text() == text:
        return False
    staged = path.with_name(f"{path.name}.new")
    staged.write_text(text)
    staged.chmod(0o644)
    staged.replace(path)
    return True


def _addresses(node: Bootable, site: Site) -> dict[str, str | None]:
    """The declared address, of the first declared MAC, else of the NIC that boots."""
    try:
        host = site.host_for(node.facts)
    except (NoProfile, AmbiguousProfile):
        host = None
    first = host.macs[0] if host and host.macs else node.boot_mac
    return {first: host.address} if host and first else {}
