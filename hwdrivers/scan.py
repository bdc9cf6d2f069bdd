"""Find BMCs in a range without credentials: only the given addresses, at a polite rate."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass

import httpx

from hwdrivers.address import BMCAddress, Scheme
from hwdrivers.bmc import Endpoint, Identity
from hwdrivers.connect import connect
from hwdrivers.credentials import Credentials
from hwdrivers.errors import BMCError
from hwdrivers.ipmi import rmcp
from hwdrivers.redfish.service_root import RedfishPort, ServiceRoot, port_open, read_service_root, stranger
from hwdrivers.targets import IPAddress

Progress = Callable[[int, int], None]

# A connection to an address where nobody lives fails after 3 s of ARP; on one that drops packets, never.
_CONNECT_SECONDS = 1.5
_HTTP_SECONDS = 10.0
_UDP_SECONDS = 1.0
_UDP_ROUNDS = 2
_OPEN_AT_ONCE = 256


@dataclass(frozen=True)
class Plan:
    """What to ask each address, and how fast: `rate` in questions per second, all protocols together."""

    ipmi_ports: tuple[int, ...] = (623,)
    redfish_ports: tuple[RedfishPort, ...] = (RedfishPort(443),)
    rate: float = 1000.0


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
class FoundMachine:
    """Everything that answered at one IP address.

    `best` is Redfish over TLS where there is any: it tells more (serial, NICs, firmware), and IPMI shows a
    hash of the password to whoever asks (IPMI 2.0 section 13.21, RAKP message 2). The others are kept: IPMI
    is what still answers when the web server of a BMC hangs. Redfish without TLS comes last.
    """

    best: Finding
    others: tuple[Finding, ...] = ()


def machines(findings: Iterable[Finding]) -> tuple[FoundMachine, ...]:
    """One machine per IP address, in the order found."""
    by_host: dict[str, list[Finding]] = {}
    for finding in findings:
        by_host.setdefault(finding.address.host, []).append(finding)
    ordered = [sorted(group, key=_preference) for group in by_host.values()]
    return tuple(FoundMachine(group[0], tuple(group[1:])) for group in ordered)


def _preference(finding: Finding) -> int:
    """Redfish over TLS, then IPMI, and last what would carry the password in clear text."""
    return (Scheme.REDFISH_HTTPS, Scheme.IPMI, Scheme.REDFISH_HTTP).index(
        finding.address.scheme or Scheme.IPMI
    )


def identify(finding: Finding, credentials: Credentials) -> Identity | BMCError:
    """Log in once, ask who it is, log out. An error is an answer here: the row shows it."""
    try:
        bmc = connect(Endpoint(finding.address, credentials))
    except BMCError as error:
        return error
    try:
        return bmc.identify()
    except BMCError as error:
        return error
    finally:
        bmc.close()


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
    """Yield BMCs as they answer. `progress` gets (questions done, questions in all)."""
    sweep = _Sweep(targets, plan, progress)
    task = asyncio.create_task(sweep.run())
    try:
        while (finding := await sweep.findings.get()) is not None:
            yield finding
        await task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class _Sweep:
    """One scan while it runs."""

    def __init__(self, targets: Sequence[IPAddress], plan: Plan, progress: Progress) -> None:
        self.findings: asyncio.Queue[Finding | None] = asyncio.Queue()
        self._targets = targets
        self._plan = plan
        self._progress = progress
        self._total = len(targets) * (len(plan.ipmi_ports) + len(plan.redfish_ports))
        self._done = 0
        self._next_turn = 0.0
        self._slots = asyncio.Semaphore(_OPEN_AT_ONCE)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ask_ipmi())
                group.create_task(self._ask_redfish())
        finally:
            self.findings.put_nowait(None)

    async def _turn(self) -> None:
        """Wait until the next question may be asked."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._next_turn = max(self._next_turn, now) + 1 / self._plan.rate
        # Below the resolution of a timer a sleep costs more than it spares.
        if self._next_turn - now > 0.005:
            await asyncio.sleep(self._next_turn - now)

    def _count(self, questions: int = 1) -> None:
        self._done += questions
        self._progress(self._done, self._total)

    # --- IPMI

    async def _ask_ipmi(self) -> None:
        for version in {target.version for target in self._targets}:
            targets = {str(target) for target in self._targets if target.version == version}
            silent = {(host, port) for host in targets for port in self._plan.ipmi_ports}
            if silent:
                await self._ask_family(version, silent)

    async def _ask_family(self, version: int, silent: set[tuple[str, int]]) -> None:
        any_address = "0.0.0.0" if version == 4 else "::"  # noqa: S104 - to send from, not to listen
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Listener(silent, self._heard_ipmi), local_addr=(any_address, 0)
        )
        try:
            for _ in range(_UDP_ROUNDS):
                for target in sorted(silent, key=lambda t: (ipaddress.ip_address(t[0]), t[1])):
                    if target in silent:
                        await self._turn()
                        transport.sendto(rmcp.PRESENCE_PING, target)
                        transport.sendto(rmcp.GET_CHANNEL_AUTH, target)
                await asyncio.sleep(_UDP_SECONDS if silent else 0)
        finally:
            transport.close()
        self._count(len(silent))

    def _heard_ipmi(self, host: str, port: int, answer: rmcp.Answer) -> None:
        detail = f"IPMI {answer.version}" if answer.version else "IPMI, version not told"
        address = BMCAddress(host, Scheme.IPMI, port)
        self.findings.put_nowait(Finding(address, "IPMI", answer.vendor, None, detail))
        self._count()

    # --- Redfish

    async def _ask_redfish(self) -> None:
        async with stranger(_HTTP_SECONDS) as client, asyncio.TaskGroup() as group:
            for target in self._targets:
                for port in self._plan.redfish_ports:
                    await self._slots.acquire()
                    await self._turn()
                    group.create_task(self._ask_port(client, str(target), port))

    async def _ask_port(self, client: httpx.AsyncClient, host: str, port: RedfishPort) -> None:
        try:
            if await port_open(host, port.number, _CONNECT_SECONDS):
                address = BMCAddress(host, port.scheme, port.number)
                root = await read_service_root(client, address)
                if root is not None:
                    self.findings.put_nowait(_redfish_finding(address, root))
        finally:
            self._slots.release()
            self._count()


def _redfish_finding(address: BMCAddress, root: ServiceRoot) -> Finding:
    detail = f"Redfish {root.version}" if root.version else "Redfish, version not told"
    return Finding(address, "Redfish", root.vendor, root.product, detail, root.uuid)


class _Listener(asyncio.DatagramProtocol):
    """Takes each first answer of those we asked; everybody else is ignored."""

    def __init__(self, silent: set[tuple[str, int]], heard: Callable[[str, int, rmcp.Answer], None]) -> None:
        self._silent = silent
        self._heard = heard

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        who = (addr[0], addr[1])
        answer = rmcp.read_answer(data)
        if answer is not None and who in self._silent:
            self._silent.discard(who)
            self._heard(*who, answer)
