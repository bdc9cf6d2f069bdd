"""Ejects the boot ISOs that runs have left behind: those that failed, were aborted, or lost their seed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from hwdrivers.errors import BMCError
from seed.bmcs import BMCs
from seed.errors import StoreFailed
from seed.media import BootMedia
from seed.model import Node
from seed.power.pauses import Pauses
from seed.store.errors import NotFound, WrongKey
from seed.virtual_media import eject

log = logging.getLogger(__name__)

LOOK = 60.0  # seconds between two looks, when no run ends
AGAIN, LONGEST = timedelta(seconds=30), timedelta(hours=1)  # pauses after a BMC that did not


class Ejecting:
    """Doing it twice does no harm; what cannot be done now is tried again."""

    def __init__(
        self, bmcs: BMCs, media: BootMedia, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._bmcs = bmcs
        self._media = media
        self._pauses = Pauses(AGAIN, LONGEST, clock)
        self._ended = threading.Event()
        self._woken = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Eject, in a thread."""
        thread = threading.Thread(target=self._serve, name="ejecting")
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._woken.set()
            thread.join()

    def wake(self) -> None:
        """Runs may have ended."""
        self._woken.set()

    def _serve(self) -> None:
        while not self._ended.is_set():
            self._woken.clear()
            try:
                self.look()
            except (StoreFailed, WrongKey) as error:
                log.warning("boot ISOs stay inserted: %s", error)
            except Exception:
                log.exception("boot ISOs stay inserted")
            self._woken.wait(LOOK)

    def look(self) -> None:
        """Eject what is left behind, except where somebody works on the machine."""
        for node, image in self._media.left():
            if not node.maintenance and self._pauses.over(node.uuid) and not self._ended.is_set():
                self._eject(node, image)

    def _eject(self, node: Node, image: str) -> None:
        try:
            with self._bmcs.open(node) as bmc:
                eject(bmc, image)
        except (BMCError, NotFound) as error:
            log.warning("node '%s': its boot ISO stays inserted, but cannot be read: %s", node.name, error)
            self._pauses.add(node.uuid)
            return
        self._pauses.end(node.uuid)
        self._media.withdraw(node, image)
