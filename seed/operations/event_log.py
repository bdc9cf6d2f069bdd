"""The system event log."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hwdrivers.bmc import BMC
from hwdrivers.interfaces import EventLog, Interface
from hwdrivers.offers import offered
from seed.operations.operation import Arguments, Operation


def _log(bmc: BMC) -> EventLog:
    return offered(bmc.address, Interface.EVENT_LOG, bmc.event_log)


def _entries(log: EventLog) -> list[dict[str, Any]]:
    rows = [asdict(entry) for entry in log.entries()]
    return [{**row, "at": row["at"].isoformat() if row["at"] else None} for row in rows]


def _read(bmc: BMC, _: Arguments) -> dict[str, Any]:
    return {"entries": _entries(_log(bmc))}


def _clear(bmc: BMC, _: Arguments) -> dict[str, Any]:
    """What is lost is the answer, so that whoever asked still has it."""
    log = _log(bmc)
    lost = _entries(log)
    log.clear()
    return {"entries": lost, "cleared": len(lost)}


READ = Operation(_read)
CLEAR = Operation(_clear, announces=lambda _: "has its event log cleared")
