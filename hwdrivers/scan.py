"""Find BMCs in a range without credentials: only the given addresses, at a polite rate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from hwdrivers.address import BMCAddress, Scheme
from hwdrivers.ipmi import rmcp
from hwdrivers.redfish.service_root import RedfishPort, ServiceRoot
from hwdrivers.scan_ipmi import IPMIScan
from hwdrivers.scan_pace import Turns
from hwdrivers.scan_redfish import RedfishScan
from hwdrivers.scan_ssdp import listen
from hwdrivers.targets import IPAddress

Progress = Callable[[int, int], None]

_REPORT = 0.1  # seconds between two reports of progress


@dataclass(frozen=True)
class Plan:
    """What to ask each address, and how fast: `rate` in packets per second, all protocols together.

    A packet and its answer have less than 150 bytes: 20,000 of them a second are 2 % of a gigabit.
    """

    ipmi_ports: tuple[int, ...] = (623,)
    redfish_ports: tuple[RedfishPort, ...] = (RedfishPort(443),)
    rate: float = 20000.0
    ssdp: bool = True


@dataclass(frozen=True)
class Finding:
    """A BMC that answered a stranger in one protocol; `detail` in words ("IPMI 2.0", "Redfish 1.15.0")."""

    address: BMCAddress
    protocol: str
    vendor: str | None
    product: str | None
    detail: str
    uuid: str | None = None


@dataclass(frozen=True)
class Settled:
    """A host was asked all that is asked over `protocol`; host None: everybody was."""

    host: str | None
    protocol: str


def scan(
    targets: Sequence[IPAddress],
    plan: Plan,
    *,
    found: Callable[[Finding], None],
    progress: Progress = lambda probed, total: None,
) -> None:
    """`find_bmcs` for callers without an event loop. Ctrl-C keeps what `found` was told."""

    async def run() -> None:
        async for finding in find_bmcs(targets, plan, progress=progress):
            found(finding)

    asyncio.run(run())


async def find_bmcs(
    targets: Sequence[IPAddress], plan: Plan, *, progress: Progress = lambda probed, total: None
) -> AsyncIterator[Finding]:
    """Yield BMCs as they answer, in each protocol. `progress` gets (questions done, questions in all)."""
    async with contextlib.aclosing(scan_events(targets, plan, progress=progress)) as events:
        async for event in events:
            if isinstance(event, Finding):
                yield event


async def scan_events(
    targets: Sequence[IPAddress], plan: Plan, *, progress: Progress = lambda probed, total: None
) -> AsyncGenerator[Finding | Settled, None]:
    """What is found, and when nothing more is to be found at a host or over a protocol."""
    scan = _Scan(targets, plan, progress)
    task = asyncio.create_task(scan.run())
    try:
        while (event := await scan.events.get()) is not None:
            yield event
        await task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class _Scan:
    """One scan while it runs."""

    def __init__(self, targets: Sequence[IPAddress], plan: Plan, progress: Progress) -> None:
        self.events: asyncio.Queue[Finding | Settled | None] = asyncio.Queue()
        self._targets = targets
        self._plan = plan
        self._progress = progress
        self._done = 0
        self._ipmi_over = not plan.ipmi_ports
        turns = Turns(plan.rate)
        self._ipmi = IPMIScan(
            targets,
            plan.ipmi_ports,
            turns,
            heard=self._heard_ipmi,
            dead=lambda host: self._redfish.dead(host),
            settled=lambda host: self.events.put_nowait(Settled(host, "IPMI")),
            asked=self._count,
        )
        self._redfish = RedfishScan(
            targets,
            plan.redfish_ports,
            turns,
            heard=self._heard_redfish,
            done=lambda host: self.events.put_nowait(Settled(host, "Redfish")),
            asked=self._count,
            lead=self._lead,
        )

    async def run(self) -> None:
        reporter = asyncio.create_task(self._report())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ask_ipmi())
                group.create_task(self._ask_redfish())
        finally:
            reporter.cancel()
            self._tell()
            self.events.put_nowait(None)

    async def _ask_ipmi(self) -> None:
        await self._ipmi.run()
        self._ipmi_over = True
        self.events.put_nowait(Settled(None, "IPMI"))

    async def _ask_redfish(self) -> None:
        if self._plan.redfish_ports and self._plan.ssdp:
            # What announces itself may be on a port that nobody would ask.
            await asyncio.gather(self._redfish.run(), listen(self._targets, self._redfish.announced))
        await self._redfish.run()
        self.events.put_nowait(Settled(None, "Redfish"))

    def _lead(self) -> float:
        return float("inf") if self._ipmi_over else self._ipmi.sent / len(self._plan.ipmi_ports)

    def _heard_ipmi(self, host: str, port: int, answer: rmcp.Answer) -> None:
        detail = f"IPMI {answer.version}" if answer.version else "IPMI, version not told"
        address = BMCAddress(host, Scheme.IPMI, port)
        self.events.put_nowait(Finding(address, "IPMI", answer.vendor, None, detail))
        self._redfish.hurry(host)

    def _heard_redfish(self, address: BMCAddress, root: ServiceRoot) -> None:
        detail = f"Redfish {root.version}" if root.version else "Redfish, version not told"
        finding = Finding(address, "Redfish", root.vendor, root.product, detail, root.uuid)
        self.events.put_nowait(finding)

    def _count(self, questions: int) -> None:
        self._done += questions

    async def _report(self) -> None:
        while True:
            self._tell()
            await asyncio.sleep(_REPORT)

    def _tell(self) -> None:
        self._progress(self._done, self._ipmi.total + self._redfish.total)
