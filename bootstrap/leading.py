"""Which of the seeds that share a store answers machines: DHCP, and the address that they all know.

Ironic's conductors leave this to keepalived and its neighbours. Here the lease that says who leads, and the
life that the kernel gives the address (valid_lft), are renewed together: a seed that dies, hangs or loses the
store loses the address too, without doing anything.
"""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from bootstrap.provisioning import Provisioning
from pxe.daemon import DaemonFailed, Dnsmasq, NoDnsmasq
from seed.errors import StoreFailed
from seed.store import Store
from seed.store.leases import NETWORK

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)


class CannotLead(RuntimeError):
    """Another seed answers on this network already, and there is no address that the two could share."""


class Leading:
    """Lead while no other seed does; a context manager whose thread takes and renews the lease."""

    def __init__(
        self,
        store: Store,
        name: str,
        provisioning: Provisioning,
        dnsmasq: Callable[[], AbstractContextManager[Dnsmasq | NoDnsmasq]],
        refresh: Callable[[], None],
    ) -> None:
        """`dnsmasq` makes one that is not started; `refresh` writes its reservations."""
        self._store = store
        self._name = name
        self._provisioning = provisioning
        self._make = dnsmasq
        self._refresh = refresh
        self._dnsmasq: Dnsmasq | NoDnsmasq | None = None
        self._leads = ExitStack()
        self._until = datetime.min.replace(tzinfo=UTC)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leading", daemon=True)

    def __enter__(self) -> Self:
        try:
            leads = self._look()
        except BaseException:
            self._leads.close()
            raise
        if not leads and self._provisioning.service_address is None:
            with self._store.read() as tx:
                other = tx.leases.holder(NETWORK)
            raise CannotLead(
                f"seed '{other}' answers DHCP for this store; to share it, give each seed the same "
                "`service_address` under `provisioning` in its configuration"
            )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._leads.close()
        with self._store.write() as tx:
            tx.leases.give_up(NETWORK, self._name)

    def reload(self) -> None:
        """Have the reservations read again; where another seed leads, it looks for itself."""
        if self._dnsmasq is not None:
            self._dnsmasq.reload()

    def _keep(self) -> None:
        while not self._ended.wait(LEASE.total_seconds() / 6):
            try:
                self._look()
            except StoreFailed as error:
                log.warning("%s: leading ends when the lease does", error)
                if datetime.now(UTC) > self._until:
                    self._step_down()
            except (DaemonFailed, subprocess.CalledProcessError):
                log.exception("this seed cannot answer machines, so another may")
                self._step_down()
                with self._store.write() as tx:
                    tx.leases.give_up(NETWORK, self._name)

    def _look(self) -> bool:
        """Whether this seed leads now."""
        until = datetime.now(UTC) + LEASE
        with self._store.write() as tx:
            mine = tx.leases.take(NETWORK, self._name, until)
        if not mine:
            self._step_down()
            return False
        self._until = until
        self._hold_address()
        if self._dnsmasq is None:
            self._step_up()
        self._refresh()
        return True

    def _step_up(self) -> None:
        log.info("this seed answers machines on %s now", self._provisioning.interface)
        self._refresh()
        self._leads.callback(self._release_address)
        self._dnsmasq = self._leads.enter_context(self._make())
        self._tell_neighbours()

    def _step_down(self) -> None:
        if self._dnsmasq is not None:
            log.warning("this seed does not answer machines any more")
        self._dnsmasq = None
        self._leads.close()

    def _hold_address(self) -> None:
        """The kernel takes the address away when this is not said again in time."""
        if self._provisioning.service_interface is not None:
            seconds = str(int(LEASE.total_seconds()))
            self._ip("replace", "valid_lft", seconds, "preferred_lft", seconds)

    def _release_address(self) -> None:
        if self._provisioning.service_interface is not None:
            self._ip("delete", check=False)

    def _ip(self, what: str, *more: str, check: bool = True) -> None:
        where = ["dev", self._provisioning.interface]
        argv = ["ip", "address", what, str(self._provisioning.service_interface), *where, *more]
        subprocess.run(argv, check=check, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def _tell_neighbours(self) -> None:
        """Gratuitous ARP (RFC 5227 section 3): who knew the address by another MAC learns the new one."""
        if self._provisioning.service_address is not None:
            argv = ["arping", "-q", "-U", "-c", "2", "-I", self._provisioning.interface]
            subprocess.run([*argv, str(self._provisioning.service_address)], check=True, capture_output=True)
