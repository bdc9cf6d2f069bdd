"""Processes under measurement: each in a session of its own, read from /proc, none left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

CACHE = Path(os.environ.get("UNDERCLOUD_BENCH", "/var/cache/undercloud/bench"))
"""What is installed once, and the stores of runs: on disk, for both sides the same one."""

TICKS = os.sysconf("SC_CLK_TCK")
BUSY = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal in /proc/stat


class DidNotStart(RuntimeError):
    """A process ended, or did not answer; the message has the end of its log."""


@dataclass(frozen=True)
class Usage:
    """CPU seconds (user and system) until now; memory in MB.

    `peak_rss`: the highest resident memory so far, summed over processes, so shared pages count for each;
    `pss`: now, shared pages counted once.
    """

    cpu: float = 0
    peak_rss: float = 0
    pss: float = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.cpu + other.cpu, self.peak_rss + other.peak_rss, self.pss + other.pss)


class Session:
    """A process and all that it started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def usage(self) -> Usage:
        """Of all its processes."""
        return sum((_usage(number) for number in self._members()), Usage())

    def kill(self) -> None:
        """SIGKILL to everything at once."""
        while members := [number for number in self._members() if _field(number, 0) != "Z"]:
            for number in members:
                _signal(number, signal.SIGKILL)
            time.sleep(0.02)
        self.process.wait()

    def stop(self, *, patience: float = 5) -> None:
        """SIGTERM, and SIGKILL for what is left after `patience` seconds."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        self.kill()

    def _members(self) -> list[int]:
        everyone = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [number for number in everyone if _field(number, 3) == str(self.process.pid)]


@contextmanager
def running(
    command: list[str], log: Path, ready: Callable[[], bool], *, timeout: float = 120
) -> Iterator[Session]:
    """Start `command`, wait until `ready`, and leave nothing of it behind."""
    with log.open("ab") as output:
        session = Session(
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        )
    try:
        deadline = time.monotonic() + timeout
        while not ready():
            if session.process.poll() is not None or time.monotonic() > deadline:
                words = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise DidNotStart(f"{Path(command[0]).name} does not start; the end of {log}:\n{words}")
            time.sleep(0.02)
        yield session
    finally:
        session.stop()


def machine_cpu() -> float:
    """CPU seconds of the whole machine since it started, to see who else was working."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(fields[place]) for place in BUSY) / TICKS


def own_cpu() -> float:
    """CPU seconds of this process, the client."""
    return time.process_time()


def end_like_interrupt() -> None:
    """Let SIGTERM unwind as Ctrl-C does, so that what was started is stopped."""

    def end(number: int, _frame: object) -> NoReturn:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)


@contextmanager
def run_folder() -> Iterator[Path]:
    """A folder on disk for the stores and logs of one run; it is removed afterwards."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="run-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def file_system(path: Path) -> str:
    """Where `path` lies, for the report: type and source."""
    command = ["findmnt", "-no", "FSTYPE,SOURCE", "-T", str(path)]
    return " on ".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def _usage(number: int) -> Usage:
    try:
        ticks = sum(map(int, _stat(number)[11:15]))  # own time, and that of children that were waited for
        peak = _kilobytes(Path(f"/proc/{number}/status"), "VmHWM:")
        return Usage(
            ticks / TICKS, peak / 1000, _kilobytes(Path(f"/proc/{number}/smaps_rollup"), "Pss:") / 1000
        )
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return Usage()


def _kilobytes(path: Path, name: str) -> int:
    """A line such as `Pss:  1234 kB`; 0 where there is none, as for a zombie."""
    found = (line.split() for line in path.read_text().splitlines() if line.startswith(name))
    return next((int(words[1]) for words in found), 0)


def _field(number: int, place: int) -> str | None:
    try:
        return _stat(number)[place]
    except (FileNotFoundError, ProcessLookupError):
        return None


def _stat(number: int) -> list[str]:
    """The fields of proc(5) stat from the third on; the second, the name, may hold anything."""
    return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()


def _signal(number: int, which: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(number, which)
