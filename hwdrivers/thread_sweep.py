"""Ask many BMCs for their power through any `connect`, a bounded number at once, each in a thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

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
        coming, said = iter(endpoints), SimpleQueue[Answer | None]()
        under_way = 0
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="power") as pool:
            while True:
                while under_way < self._at_once and not ended():
                    if (endpoint := next(coming, None)) is None:
                        break
                    pool.submit(self._work, endpoint, said)
                    under_way += 1
                if not under_way:
                    return
                answer = said.get()
                under_way -= 1
                if answer is not None:
                    yield answer

    def forget(self, address: BMCAddress) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""

    def _work(self, endpoint: Endpoint, said: SimpleQueue[Answer | None]) -> None:
        answer = None
        try:
            answer = self._ask(endpoint)
        finally:
            said.put(answer)

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
