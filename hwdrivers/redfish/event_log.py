"""The logs of a system and of its managers (LogServices, DSP0268)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

from hwdrivers.interfaces import Ability, LogEntry
from hwdrivers.redfish.documents import MOST_MEMBERS, Document, link, moment
from hwdrivers.redfish.sensors import health
from hwdrivers.redfish.system import System
from hwdrivers.told import told

# The lifecycle log of an iDRAC grows to 100,000 entries, 50 to a page, the newest first; event logs have 512
# to 4,096. Where each is a document of its own, each is a request.
_MOST_ENTRIES, _MOST_REQUESTS = 1000, 100
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
        return tuple(sorted(found, key=_when)[-_MOST_ENTRIES:])

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
        for entry in self._newest(link(log, "Entries")):
            yield LogEntry(
                id=prefix + (told(entry.get("Id")) or str(link(entry)).rpartition("/")[2]),
                message=told(entry.get("Message")) or told(entry.get("Name")) or "no message",
                at=moment(entry.get("Created")),
                severity=health(entry.get("Severity")),
                sensor=told(entry.get("SensorType")),
            )

    def _newest(self, path: str | None) -> list[Document]:
        """The entries, or the newer end of a log whose entries are documents of their own."""
        listed = list(itertools.islice(self._system.documents.listed(path), MOST_MEMBERS))
        if not listed or "Id" in listed[0]:
            return listed
        paths = [link(entry) for entry in listed]
        if len(paths) > _MOST_REQUESTS:
            first, last = (
                moment((self._system.get(path) or {}).get("Created")) for path in (paths[0], paths[-1])
            )
            descending = first is not None and last is not None and first > last
            paths = paths[:_MOST_REQUESTS] if descending else paths[-_MOST_REQUESTS:]
        return [document for path in paths if (document := self._system.get(path))]


def _when(entry: LogEntry) -> datetime:
    """For sorting: without a time first."""
    return entry.at or datetime.min.replace(tzinfo=UTC)
