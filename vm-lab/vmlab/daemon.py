"""The one way in which the lab starts something that outlives the command."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmlab import namespace
from vmlab.errors import LabError
from vmlab.process import Process
from vmlab.rack import Rack

READY_WITHIN = 120.0
ASK_EVERY = 0.1
TAIL = 15


@dataclass(frozen=True)
class Daemon:
    """One background process of a rack: how it is started, and how one sees that it serves."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    ready: Callable[[int], bool]
    """Given the process number: does it answer? Raising OSError means not yet."""


def start(rack: Rack, daemon: Daemon, binds: Iterable[tuple[Path, Path]]) -> Process:
    """Starts it in a session of its own, inside the rack, unless it runs already."""
    present = running(rack, daemon.name)
    if present:
        return present
    rack.logs.mkdir(parents=True, exist_ok=True)
    with _log(rack, daemon.name).open("ab") as log:
        started = subprocess.Popen(
            namespace.entering(rack.namespace, daemon.argv, binds),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(rack.path), "LANG": "C.UTF-8", **daemon.env},
            cwd="/",
            start_new_session=True,
        )
    _pid_file(rack, daemon.name).write_text(str(started.pid))
    process = Process.of(started.pid)
    assert process, "our own child keeps its number until we wait for it"  # noqa: S101
    return process


def await_ready(rack: Rack, daemon: Daemon, process: Process, within: float = READY_WITHIN) -> None:
    """Returns when the daemon serves; explains with its own last words when it ends or stays silent."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if _answers(daemon, process.pid):
            return
        if process.wait(ASK_EVERY):
            raise LabError(_epitaph(rack, daemon.name, "ended at once"))
    raise LabError(_epitaph(rack, daemon.name, f"does not serve after {within:.0f} s"))


def running(rack: Rack, name: str) -> Process | None:
    """The daemon's process, if it lives and lives in this rack."""
    try:
        pid = int(_pid_file(rack, name).read_text())
    except (OSError, ValueError):
        return None
    return next((found for found in namespace.inhabitants(rack.namespace) if found.pid == pid), None)


def _answers(daemon: Daemon, pid: int) -> bool:
    try:
        return daemon.ready(pid)
    except OSError:
        return False


def _epitaph(rack: Rack, name: str, what: str) -> str:
    log = _log(rack, name)
    lines = log.read_text(errors="replace").splitlines()[-TAIL:] if log.exists() else []
    return "\n".join([f"{name} {what}; the end of {log}:", *(f"  {line}" for line in lines)])


def _log(rack: Rack, name: str) -> Path:
    return rack.logs / f"{name}.log"


def _pid_file(rack: Rack, name: str) -> Path:
    return rack.logs.parent / f"{name}.pid"
