"""Ask many BMCs for their power through any `connect`, a bounded number at once, each in a thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BMC, Endpoint
from hwdrivers.errors import BMCError
from hwdrivers.sweep import Answer

log = logging.getLogger(__name__)


class ThreadSweep:
    """Logs in and out for each question: in place of `hwdrivers.sweep.Sweep` for machines in memory."""

    def __init__(self, connect: Callable[[Endpoint], BMC], at_once: int = 32) -> None:
        self._connect = connect
        self._at_once = at_once

    def power(
        self, endpoints: Iterable[Endpoint], *, ended: Callable[[], bool] = lambda: False
    ) -> Iterator[Answer]:
        """Answers as they come; the next endpoint is taken when there is room for it."""
        coming, under_way = iter(endpoints), set[Future[Answer | None]]()
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="power") as pool:
            while True:
                while len(under_way) < self._at_once and not ended():
                    endpoint = next(coming, None)
                    if endpoint is None:
                        break
                    under_way.add(pool.submit(self._ask, endpoint))
                if not under_way:
                    return
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (said for each in done if (said := each.result()) is not None)

    def forget(self, address: BMCAddress) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""

    def _ask(self, endpoint: Endpoint) -> Answer | None:
        """None: its driver is broken, which keeps no other BMC from being asked."""
        try:
            bmc = self._connect(endpoint)
            try:
                return endpoint, bmc.power_state()
            finally:
                bmc.close()
        except BMCError as error:
            return endpoint, error
        except Exception:
            log.exception("%s: its power cannot be read", endpoint.address)
            return None
