"""The files that hold what machines wrote to their consoles: one for each run, bounded, the owner's alone."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from seed.model import Run
from seed.store.errors import NotFound

MOST_BYTES = 4 * 1024 * 1024  # of one run: a Linux boot writes some 100 KiB
MOST_RUNS = 30  # of one node; the oldest go first
DROPPED = b"\r\n[... what was written before is not kept ...]\r\n"


@dataclass(frozen=True)
class Captured:
    """What there is of a run; sizes in bytes."""

    run: int
    size: int


class CaptureFile:
    """Appended to by one thread; when it is full, its older half goes."""

    def __init__(self, path: Path, most: int = MOST_BYTES) -> None:
        self._path = path
        self._most = most

    def add(self, data: bytes) -> None:
        """A disk that is full costs the capture, and nothing else."""
        if not data:
            return
        with contextlib.suppress(OSError):
            size = self._append(data)
            if size > self._most:
                self._shorten()

    def _append(self, data: bytes) -> int:
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
            file.write(data)
            return file.tell()

    def _shorten(self) -> None:
        kept = DROPPED + self._path.read_bytes()[-self._most // 2 :]
        shorter = self._path.with_suffix(".new")
        with os.fdopen(os.open(shorter, os.O_WRONLY | os.O_TRUNC | os.O_CREAT, 0o600), "wb") as file:
            file.write(kept)
        shorter.replace(self._path)


class CaptureFiles:
    """FOLDER/NODE/RUN.log, named by UUID and number: names of nodes change, and tell nothing secret so."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, run: Run) -> CaptureFile:
        """Where a run's is written; makes room for it."""
        place = self._folder / run.node
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in self.kept(run.node)[: -MOST_RUNS + 1]:
            if old.run != run.id:
                self._path(run.node, old.run).unlink(missing_ok=True)
        return CaptureFile(self._path(run.node, run.id))

    def kept(self, node: str) -> list[Captured]:
        """The runs of a node that there is something of, oldest first."""
        files = (self._folder / node).glob("*.log")
        return sorted((Captured(int(f.stem), f.stat().st_size) for f in files), key=lambda c: c.run)

    def read(self, node: str, run: int) -> bytes:
        """What was captured; raises NotFound naming the runs that there is something of."""
        try:
            return self._path(node, run).read_bytes()
        except FileNotFoundError:
            kept = ", ".join(str(each.run) for each in self.kept(node)) or "no run"
            raise NotFound(f"nothing was captured in run {run}; there is something of {kept}") from None

    def _path(self, node: str, run: int) -> Path:
        return self._folder / node / f"{run}.log"
