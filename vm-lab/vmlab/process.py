"""One process, held by a descriptor so that a reused number is never mistaken for it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Process:
    pid: int
    descriptor: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process with this number, if it lives."""
        try:
            return cls(pid, os.pidfd_open(pid))
        except ProcessLookupError:
            return None

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.descriptor, number)

    def wait(self, seconds: float) -> bool:
        """Whether it ended within that time."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def __del__(self) -> None:
        os.close(self.descriptor)
