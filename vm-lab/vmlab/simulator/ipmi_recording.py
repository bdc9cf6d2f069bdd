"""Records the IPMI side of a real BMC with pyghmi: identity, FRU, SDR, readings, event log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pyghmi.exceptions import PyghmiException
from pyghmi.ipmi import command

from vmlab.errors import LabError
from vmlab.simulator.recording import Target, Told

_PART = 16  # what every BMC gives at once
_LAST = 0xFFFF
_MOST_EVENTS = 50
# Of table 23-4, without 16, the SNMP community string.
_LAN = (3, 4, 5, 6, 12, 20)


class IPMIRecording:
    """`facts` is what a personality holds under "ipmi"."""

    def __init__(self, target: Target, rate: float, told: Told) -> None:
        self._target = target
        self._pause = 1 / rate
        self._told = told
        self._session: Any = None
        self.facts: dict[str, Any] = {}
        self.seconds: list[float] = []

    def read(self, username: str, password: str) -> None:
        where = f"{self._target.host}:{self._target.port}"
        try:
            bmc = command.Command(self._target.host, username, password, port=self._target.port)
        except (PyghmiException, OSError) as error:
            do = "Check --username and --password-file; a wrong password is not tried again."
            raise LabError(f"ipmi://{where}: {error}", do=do) from None
        self._session = bmc.ipmi_session
        try:
            self._read_all()
        except PyghmiException as error:
            raise LabError(f"ipmi://{where}: {error}") from None
        finally:
            self._session.logout()

    def _read_all(self) -> None:
        device = self._ask(0x06, 0x01) or bytes(11)
        self.facts["manufacturer"] = int.from_bytes(device[6:9], "little") & 0xFFFFF
        self.facts["product"] = int.from_bytes(device[9:11], "little")
        self.facts["firmware"] = f"{device[2] & 0x7F}.{device[3]:02x}"
        self.facts["guid"] = (self._ask(0x06, 0x37) or b"").hex()
        self.facts["fru"] = self._fru().hex()
        self.facts["sdr"] = [record.hex() for record in self._records(0x0A, 0x23, 0x22)]
        self.facts["readings"] = dict(self._readings())
        self.facts["sel"] = [event.hex() for event in self._records(0x0A, 0x43, 0x42, _MOST_EVENTS)]
        told = {str(number): self._ask(0x0C, 0x02, (1, number, 0, 0)) for number in _LAN}
        self.facts["lan"] = {number: data[1:].hex() for number, data in told.items() if data}

    def _ask(self, function: int, number: int, data: tuple[int, ...] = ()) -> bytes | None:
        """None: it does not do that."""
        started = time.monotonic()
        answer = self._session.raw_command(netfn=function, command=number, data=data)
        self.seconds.append(round(time.monotonic() - started, 4))
        time.sleep(self._pause)
        if not answer or answer.get("code") or "error" in answer:
            return None
        return bytes(answer["data"])

    def _fru(self) -> bytes:
        area = self._ask(0x0A, 0x10, (0,))
        size = int.from_bytes(area[:2], "little") if area else 0
        read = b""
        while len(read) < size:
            part = self._ask(0x0A, 0x11, (0, len(read) & 0xFF, len(read) >> 8, min(_PART, size - len(read))))
            if not part or len(part) < 2:
                break
            read += part[1:]
            self._told(f"FRU: {len(read)} of {size} bytes")
        return read

    def _records(self, function: int, get: int, reserve: int, most: int = 1000) -> Iterator[bytes]:
        """All records of a repository or a log, each in parts where it is too long for one answer."""
        number, count = 0, 0
        while number != _LAST and count < most:
            whole = self._record(function, get, reserve, number)
            if whole is None:
                return
            following, record = whole
            yield record
            count += 1
            self._told(f"{'SDR' if get == 0x23 else 'SEL'}: {count} records")
            number = following

    def _record(self, function: int, get: int, reserve: int, number: int) -> tuple[int, bytes] | None:
        reservation = self._ask(function, reserve) or b"\0\0"

        def part(start: int, count: int) -> bytes | None:
            return self._ask(function, get, (*reservation[:2], number & 0xFF, number >> 8, start, count))

        if get == 0x43:  # events have 16 bytes
            event = part(0, 0xFF)
            return (int.from_bytes(event[:2], "little"), event[4:]) if event else None
        head = part(0, 5)
        if head is None or len(head) < 7:
            return None
        record, size = head[2:], 5 + head[6]
        while len(record) < size:
            more = part(len(record), min(_PART, size - len(record)))
            if more is None or len(more) < 3:
                return None
            record += more[2:]
        return int.from_bytes(head[:2], "little"), record

    def _readings(self) -> Iterator[tuple[str, str]]:
        for record in map(bytes.fromhex, self.facts["sdr"]):
            if record[3] in (1, 2):  # full and compact sensor records
                reading = self._ask(0x04, 0x2D, (record[7],))
                if reading:
                    yield str(record[7]), reading.hex()
