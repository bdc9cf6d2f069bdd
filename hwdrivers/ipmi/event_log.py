"""The system event log (IPMI 2.0 sections 31 and 32)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

from pyghmi.constants import Health as PyghmiHealth
from pyghmi.ipmi.events import decode_eventdata
from pyghmi.ipmi.private import constants

from hwdrivers.errors import BMCError, BMCTimeout
from hwdrivers.interfaces import Health, LogEntry
from hwdrivers.ipmi.kept_session import KeptSession
from hwdrivers.ipmi.sdr import Repository, words_of
from hwdrivers.ipmi.sensors import health
from hwdrivers.ipmi.session import DAMAGED

_STORAGE = 0x0A  # network function
_READ, _CLEAR = "read its event log", "clear its event log"
_EMPTY, _LAST = 0xCB, 0xFFFF
_ERASE, _ASK, _DONE = 0xAA, 0x00, 1
# Timestamps below are seconds since the BMC started, its clock was not set (section 37.1).
_CLOCK_SET = 0x20000000
_UNKNOWN_TIME = 0xFFFFFFFF
_POLLS = 20

Names = Mapping[tuple[int, int], str]


class EventLog:
    """`hwdrivers.interfaces.EventLog` over IPMI."""

    def __init__(
        self, bmc: KeptSession, repository: Repository, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._bmc = bmc
        self._repository = repository
        self._sleep = sleep

    def entries(self) -> tuple[LogEntry, ...]:
        records = list(self._records())
        if not records:
            return ()
        zone, names = self._zone(), self._names()
        return tuple(told(record, zone, names) for record in records)

    def clear(self) -> None:
        """Under a reservation, so that a log that somebody else is clearing is not cleared twice."""
        reservation = self._bmc.ask(_CLEAR, _STORAGE, 0x42, least=2)[:2]
        state = self._clear(reservation, _ERASE)
        for _ in range(_POLLS):
            if state == _DONE:
                return
            self._sleep(0.5)
            state = self._clear(reservation, _ASK)
        raise BMCTimeout.at(self._bmc.address, _CLEAR, "it does not come to an end", "look at it again later")

    def _clear(self, reservation: bytes, action: int) -> int:
        answer = self._bmc.ask(_CLEAR, _STORAGE, 0x47, (*reservation, *b"CLR", action), least=1)
        return answer[0] & 0x0F

    def _records(self) -> Iterator[bytes]:
        number, seen = 0, set()
        while number != _LAST and number not in seen:  # a BMC may point back: seen once is enough
            seen.add(number)
            data = (0, 0, *number.to_bytes(2, "little"), 0, 0xFF)
            code, answer = self._bmc.answer(_READ, _STORAGE, 0x43, data)
            if code == _EMPTY:
                return
            if code != 0 or len(answer) < 2:
                answer = self._bmc.ask(_READ, _STORAGE, 0x43, data, least=2)
            number = int.from_bytes(answer[:2], "little")
            yield answer[2:]

    def _zone(self) -> timezone:
        """Get SEL Time UTC Offset, in minutes; few BMCs have it, the others count in UTC or say nothing."""
        code, answer = self._bmc.answer(_READ, _STORAGE, 0x5C)
        minutes = int.from_bytes(answer[:2], "little", signed=True) if code == 0 else 0
        return timezone(timedelta(minutes=minutes)) if abs(minutes) < 1440 else UTC

    def _names(self) -> Names:
        try:
            sensors = self._repository.sensors()
        except BMCError as error:
            if error.retryable:
                raise
            return {}  # it has no records that name them
        return {(entry.sensor_owner, entry.sensor_number): entry.sensor_name for entry in sensors}


def told(record: bytes, zone: timezone, names: Names) -> LogEntry:
    """What a record says (tables 32-1 to 32-3); a damaged one is shown in hexadecimal."""
    number = str(int.from_bytes(record[:2], "little"))
    try:
        if len(record) >= 16 and record[2] < 0xC0:
            return _event(number, record, zone, names)
        if len(record) >= 16 and record[2] < 0xE0:
            raw = f"OEM record {record[2]:#04x}: {record[7:].hex()}"
            return LogEntry(number, raw, at=_time(record, zone))
    except DAMAGED:
        pass
    if record[2:3] == b"\xf0":  # Linux, ipmi_msghandler
        text = record[5:].partition(b"\0")[0].decode("utf-8", "replace")
        return LogEntry(number, f"Linux kernel panic: {text}", severity=Health.CRITICAL)
    return LogEntry(number, f"OEM record: {record[2:].hex()}")


def _event(number: str, record: bytes, zone: timezone, names: Names) -> LogEntry:
    owner, kind, sensor = record[7], record[10], record[11]
    gone, event_type, offset = record[12] & 0x80, record[12] & 0x7F, record[13] & 0x0F
    words = words_of(event_type, kind, offset)
    message = words.get("deassertion_desc" if gone else "desc") or f"event {event_type:#04x}, state {offset}"
    details = _details(event_type, kind, offset, record[13:16])
    severity = words.get("deassertion_severity" if gone else "severity", PyghmiHealth.Ok)
    name = names.get((owner, sensor)) or f"{constants.sensor_type_codes.get(kind, 'sensor')} {sensor:#04x}"
    return LogEntry(
        number,
        f"{message} ({details})" if details else message,
        at=_time(record, zone),
        severity=health(severity),
        sensor=name,
    )


def _details(event_type: int, kind: int, offset: int, data: bytes) -> str | None:
    """Event data 2 and 3 in words, where the standard has words for them (table 42-3)."""
    if event_type != 0x6F:
        return None
    details = decode_eventdata(kind, offset, data, constants, SimpleNamespace(fru={}))
    return str(details) if details and details not in ("Unknown", "Unspecified") else None


def _time(record: bytes, zone: timezone) -> datetime | None:
    seconds = int.from_bytes(record[3:7], "little")
    if seconds < _CLOCK_SET or seconds == _UNKNOWN_TIME:
        return None
    # The BMC's clock shows local time, if it knows of any other than UTC.
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=zone)
