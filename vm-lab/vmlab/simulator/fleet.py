"""All simulated machines; those that nobody has touched yet take no memory."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from typing import Any

from vmlab.errors import LabError
from vmlab.simulator import addresses, faults, personality
from vmlab.simulator.addresses import Addresses
from vmlab.simulator.faults import Kind
from vmlab.simulator.machine import Machine
from vmlab.simulator.personality import Personality
from vmlab.simulator.settings import Settings


class Fleet:
    """`now`: seconds, for sessions and lock-outs. Raises LabError when the settings are wrong."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.now = now
        self.ipmi_port = 623  # until it is bound
        self.chance = random.Random(settings.seed)  # noqa: S311 - a simulation is to be repeatable
        self.members = settings.members()
        self._known = frozenset(self.members) if settings.scattered else self.members
        self._passwords = {settings.username: settings.password}
        self._machines: dict[bytes, Machine] = {}
        self._changes: list[tuple[Callable[[Machine], None], Addresses]] = []
        self._personality = personality.load(settings.personality, settings.latency, self.chance)
        self._others = [self._other(text) for text in settings.others]
        for text in settings.faults:
            self.fault(text)

    def at(self, packed: bytes) -> Machine | None:
        """Whose address this is; None: nobody's."""
        machine = self._machines.get(packed)
        return machine if machine is not None else self._first_touch(packed)

    def _first_touch(self, packed: bytes) -> Machine | None:
        number = int.from_bytes(packed, "big")
        if number not in self._known:
            return None
        machine = self._machines[packed] = Machine(number, self._passwords, self._face(number))
        for change, where in self._changes:
            if number in where:
                change(machine)
        return machine

    def _other(self, text: str) -> tuple[Personality, Addresses]:
        """`NAME_OR_FILE@ADDRESSES`."""
        name, _, where = text.rpartition("@")
        return personality.load(name, self.settings.latency, self.chance), Addresses.parse(where)

    def _face(self, number: int) -> Personality:
        """The last one that was given for it."""
        fitting = (face for face, where in reversed(self._others) if number in where)
        return next(fitting, self._personality)

    def personalities(self) -> list[Personality]:
        return [self._personality, *(face for face, _ in self._others)]

    def named(self, address: str) -> Machine:
        machine = self.at(addresses.packed(address).to_bytes(4, "big"))
        if machine is None:
            raise LabError(f"there is no BMC at {address}", do="Look at the summary for what is served.")
        return machine

    def touched(self) -> Iterable[Machine]:
        return self._machines.values()

    def fault(self, text: str) -> None:
        """As `faults.py` reads it."""
        fault, where = faults.parse(text)
        if fault.kind is Kind.REBOOT:
            self._reboot(fault.value, where)
        else:
            self._change(lambda machine: machine.faults.update({fault.kind: fault}), where)

    def _reboot(self, seconds: float, where: Addresses) -> None:
        """Once, to the BMCs that are there now."""
        for number in self.members:
            if number in where and (machine := self.at(number.to_bytes(4, "big"))) is not None:
                machine.reboot_bmc(self.now() + seconds)

    def clear_faults(self, kind: Kind | None, where: Addresses) -> None:
        """Ends faults of one kind or of all; what they left behind (a lock, deafness) ends as well."""
        if kind is None and where == addresses.EVERYWHERE:
            self._changes.clear()
        self._change(lambda machine: machine.clear_faults(kind), where)

    def _change(self, change: Callable[[Machine], None], where: Addresses) -> None:
        """Now, and to whom is touched first later."""
        self._changes.append((change, where))
        for machine in self._machines.values():
            if machine.number in where:
                change(machine)

    def totals(self) -> dict[str, Any]:
        """Sums over all machines."""
        machines = self._machines.values()
        return {
            "bmcs": len(self.members),
            "touched": len(machines),
            "requests": sum(machine.requests for machine in machines),
            "logins": sum(machine.logins for machine in machines),
            "wrong_passwords": sum(machine.wrong_passwords for machine in machines),
            "unfinished": sum(machine.unfinished for machine in machines),
            "sessions": sum(machine.sessions_now() for machine in machines),
            "sessions_most": max((machine.sessions_most for machine in machines), default=0),
            "done": sum(len(machine.done) for machine in machines),
        }
