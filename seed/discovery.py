"""Discovery: scan a range for BMCs, ask each who it is with one log-in, and enrol those that let us in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, replace
from typing import Any

from hwdrivers.bmc import Identity
from hwdrivers.credentials import Credentials
from hwdrivers.errors import BMCError
from hwdrivers.scan import Finding, FoundMachine, Plan, find_bmcs, identify, machines
from hwdrivers.targets import IPAddress, parse_targets
from seed.declarations import Declarations, new_node
from seed.store import Store
from seed.store.errors import Conflict

LOGINS_AT_ONCE = 16


class Discovery:
    """Finds BMCs; what it finds is told as documents, one after another."""

    def __init__(
        self,
        store: Store,
        declarations: Declarations,
        *,
        find: Callable[..., AsyncIterator[Finding]] = find_bmcs,
        identify: Callable[[Finding, Credentials], Identity | BMCError] = identify,
    ) -> None:
        self._store = store
        self._declarations = declarations
        self._find = find
        self._identify = identify

    def prepare(self, ranges: list[str], credentials: str) -> tuple[tuple[IPAddress, ...], Credentials]:
        """Check the request before anything is sent; raises RangeError or NotFound."""
        targets = parse_targets(ranges)
        with self._store.read() as tx:
            return targets, tx.credentials.get(credentials)

    async def run(
        self, targets: tuple[IPAddress, ...], login: Credentials, name: str, who: str, *, enroll: bool
    ) -> AsyncIterator[dict[str, Any]]:
        """Documents with a key 'progress', or 'machine'; machines come as soon as they have answered."""
        findings: list[Finding] = []
        steps: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        def progress(probed: int, total: int) -> None:
            steps.put_nowait({"progress": {"probed": probed, "total": total, "found": len(findings)}})

        async def sweep() -> None:
            try:
                async for finding in self._find(targets, Plan(), progress=progress):
                    findings.append(finding)
            finally:
                steps.put_nowait(None)

        task = asyncio.create_task(sweep())
        while (step := await steps.get()) is not None:
            yield step
        await task
        limit = asyncio.Semaphore(LOGINS_AT_ONCE)

        async def ask(machine: FoundMachine) -> dict[str, Any]:
            async with limit:
                return await asyncio.to_thread(self._machine, machine, login, name, who, enroll)

        for answer in asyncio.as_completed([ask(machine) for machine in machines(findings)]):
            yield {"machine": await answer}

    def _machine(
        self, machine: FoundMachine, login: Credentials, name: str, who: str, enroll: bool
    ) -> dict[str, Any]:
        """One row: what the machine told, and what became of it."""
        best = machine.best
        answer = self._identify(best, login)
        identity = (
            answer if isinstance(answer, Identity) else Identity(vendor=best.vendor, model=best.product)
        )
        row = {
            "address": str(best.address),
            "protocol": best.protocol,
            "detail": best.detail,
            "also": [str(other.address) for other in machine.others],
            **asdict(identity),
            "node": None,
            "error": str(answer) if isinstance(answer, BMCError) else None,
        }
        row["vendor"] = row["vendor"] or best.vendor
        row["model"] = row["model"] or best.product
        known = self._known(machine)
        if known is not None:
            return row | {"node": known, "outcome": "known"}
        if not enroll or row["error"]:
            return row | {"outcome": "refused" if row["error"] else "found"}
        return row | self._enroll(best, identity, name, who)

    def _known(self, machine: FoundMachine) -> str | None:
        with self._store.read() as tx:
            for finding in (machine.best, *machine.others):
                node = tx.nodes.by_bmc(str(finding.address))
                if node is not None:
                    return node.name
        return None

    def _enroll(self, best: Finding, identity: Identity, credentials: str, who: str) -> dict[str, Any]:
        node = new_node(best.address, credentials, None)
        node = replace(
            node,
            vendor=identity.vendor,
            model=identity.model,
            serial=identity.serial,
            bmc_firmware=identity.firmware,
            power=identity.power.value if identity.power else None,
        )
        try:
            return {"node": self._declarations.enroll(node, who).name, "outcome": "enrolled"}
        except Conflict as error:
            return {"outcome": "conflict", "error": str(error)}
