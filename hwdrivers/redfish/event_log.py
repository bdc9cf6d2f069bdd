"""The logs of a system and of its managers (LogServices, DSP0268)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

from hwdrivers.interfaces import Ability, LogEntry
from hwdrivers.redfish.documents import Document, link, moment
from hwdrivers.redfish.sensors import health
from hwdrivers.redfish.system import System
from hwdrivers.told import told

# The lifecycle log of an iDRAC grows to 100,000 entries, 50 to a page; event logs have 512 to 4,096.
_MOST_ENTRIES = 1000
_CLEAR = "#LogService.ClearLog"


class RedfishEventLog:
    def __init__(self, system: System) -> None:
        self._system = system

    def entries(self) -> tuple[LogEntry, ...]:
        with self._system.talking("read the event log"):
            logs = dict(self._logs())
            if not logs:
                raise self._system.lacks("event log")
            found = [e for log in logs.values() for e in self._of(log, alone=len(logs) == 1)]
        return tuple(sorted(found, key=_when))

    def clear(self) -> None:
        with self._system.talking("clear the event log"):
            targets = [target for _, log in self._logs() if (target := self._system.action(log, _CLEAR))]
            if not targets:
                raise self._system.lacks("event log's clearing")
            for target in targets:
                self._system.post(target, {})

    def ability(self) -> Ability:
        with self._system.talking("look for an event log"):
            names = dict.fromkeys(
                told(log.get("Name")) or told(log.get("Id")) or "log" for _, log in self._logs()
            )
        return Ability(bool(names), ", ".join(names) or "neither its system nor its manager has one")

    def _logs(self) -> Iterator[tuple[str, Document]]:
        """Each once: some list the same log at the system and at the manager."""
        owners = itertools.chain([self._system.document()], (d for _, d in self._system.managers()))
        known = set()
        for owner in owners:
            for path, log in self._system.documents.members(link(owner, "LogServices")):
                if path not in known:
                    known.add(path)
                    yield path, log

    def _of(self, log: Document, *, alone: bool) -> Iterator[LogEntry]:
        prefix = "" if alone else f"{told(log.get('Id')) or 'log'}/"
        members = self._system.documents.members(link(log, "Entries"))
        for path, entry in itertools.islice(members, _MOST_ENTRIES):
            yield LogEntry(
                id=prefix + (told(entry.get("Id")) or path.rpartition("/")[2]),
                message=told(entry.get("Message")) or told(entry.get("Name")) or "no message",
                at=moment(entry.get("Created")),
                severity=health(entry.get("Severity")),
                sensor=told(entry.get("SensorType")),
            )


def _when(entry: LogEntry) -> datetime:
    """For sorting: without a time first; a BMC that tells no zone is taken as UTC."""
    at = entry.at or datetime.min
    return at if at.tzinfo else at.replace(tzinfo=UTC)
