"""One round of questions after the power of many BMCs: by the sweep, or by conversations that are open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Protocol

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BMC, Endpoint, PowerState
from hwdrivers.errors import BMCError
from hwdrivers.sweep import Answer, Sweeps

_AT_ONCE = 16  # through open conversations
_PATIENCE = 15.0  # seconds for one of them that is busy with something else; it is asked again next time


class Lender(Protocol):
    """Says whom the sweep may ask."""

    def lend(self, endpoint: Endpoint) -> bool: ...

    def heard(self, endpoint: Endpoint, said: PowerState | BMCError | None) -> None: ...

    def connect(self, endpoint: Endpoint) -> BMC: ...


def ask_fleet(
    lender: Lender, sweep: Sweeps, endpoints: Iterable[Endpoint], ended: Callable[[], bool]
) -> Iterator[Answer]:
    """All answers; whoever the sweep was lent is given back, also when it breaks or nobody listens on."""
    lent: dict[BMCAddress, Endpoint] = {}
    aside = _Aside(lender)

    def for_sweep() -> Iterator[Endpoint]:
        for endpoint in endpoints:
            try:
                if lender.lend(endpoint):
                    lent[endpoint.address] = endpoint
                    yield endpoint
                else:
                    aside.ask(endpoint)
            except BMCError as error:
                aside.said.put((endpoint, error))

    try:
        for endpoint, said in sweep.power(for_sweep(), ended=ended):
            del lent[endpoint.address]
            lender.heard(endpoint, said)
            yield endpoint, said
            yield from aside.so_far()
        yield from aside.rest(ended)
    finally:
        aside.close()
        for endpoint in lent.values():
            lender.heard(endpoint, None)


class _Aside:
    """BMCs that are asked through conversations, which others may be using."""

    def __init__(self, lender: Lender) -> None:
        self._lender = lender
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="power")
        self._waited_for = 0
        self.said: SimpleQueue[Answer | None] = SimpleQueue()

    def ask(self, endpoint: Endpoint) -> None:
        self._waited_for += 1
        self._pool.submit(self._ask, endpoint)

    def _ask(self, endpoint: Endpoint) -> None:
        try:
            bmc = self._lender.connect(endpoint)
            try:
                self.said.put((endpoint, bmc.power_state()))
            finally:
                bmc.close()
        except BMCError as error:
            self.said.put((endpoint, error))
        finally:
            self.said.put(None)

    def so_far(self) -> Iterator[Answer]:
        while not self.said.empty():
            yield from self._next(0)

    def rest(self, ended: Callable[[], bool]) -> Iterator[Answer]:
        while (self._waited_for or not self.said.empty()) and not ended():
            try:
                yield from self._next(_PATIENCE)
            except Empty:
                return

    def _next(self, timeout: float) -> Iterator[Answer]:
        said = self.said.get(timeout=timeout)
        if said is None:
            self._waited_for -= 1
        else:
            yield said

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
