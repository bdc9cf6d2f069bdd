"""A rack's network namespace: who lives in it, how to get in, and how to end it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from vmlab.command import run
from vmlab.errors import LabError
from vmlab.process import Process

Result = TypeVar("Result")
NAMES = Path("/run/netns")
CLONE_NEWNET = 0x40000000

# Runs in the mount namespace that `ip netns exec` made for it alone: the mounts go when the process goes.
BIND_AND_BECOME = 'set -e; while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done; shift; exec "$@"'


def exists(name: str) -> bool:
    return (NAMES / name).exists()


def create(name: str) -> None:
    if not exists(name):
        run("ip", "netns", "add", name)


def entering(name: str, argv: Sequence[str], binds: Iterable[tuple[Path, Path]] = ()) -> list[str]:
    """The command that runs `argv` inside, with each (what, where) of `binds` mounted for it alone."""
    inside = ["ip", "netns", "exec", name]
    pairs = [str(path) for bind in binds for path in bind]
    if not pairs:
        return [*inside, *argv]
    return [*inside, "/bin/sh", "-c", BIND_AND_BECOME, "sh", *pairs, "--", *argv]


def become(name: str, argv: Sequence[str]) -> NoReturn:
    """Turns this process into `argv` inside the namespace; its exit status is ours."""
    command = entering(name, argv)
    os.execvp(command[0], command)  # noqa: S606


def inside(name: str, ask: Callable[[], Result]) -> Result:
    """Calls `ask` on a thread that has joined the namespace; its sockets keep belonging there."""
    outcome: list[Result] = []
    failure: list[Exception] = []

    def work() -> None:
        try:
            _join(NAMES / name)
            outcome.append(ask())
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def _join(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    finally:
        os.close(descriptor)


def inhabitants(name: str) -> list[Process]:
    """Every living process in the namespace except this one and those that started it."""
    if not exists(name):
        return []
    ours = _ourselves()
    found = (int(pid) for pid in run("ip", "netns", "pids", name).split())
    return [process for pid in found if pid not in ours and (process := Process.of(pid))]


def _ourselves() -> set[int]:
    """This process and its ancestors: whoever types `lab down` inside the rack survives it."""
    pids, pid = set(), os.getpid()
    while pid > 1:
        pids.add(pid)
        stat = Path(f"/proc/{pid}/stat").read_text()
        pid = int(stat.rpartition(")")[2].split()[1])
    return pids


def clear(name: str, patience: float = 10.0) -> None:
    """Ends every process inside: asked first, then killed, and waited for."""
    for signal_number, wait in (
        (signal.SIGTERM, patience),
        (signal.SIGKILL, patience),
        (signal.SIGKILL, patience),
    ):
        processes = inhabitants(name)
        if not processes:
            return
        for process in processes:
            process.signal(signal_number)
        for process in processes:
            process.wait(wait)
    left = inhabitants(name)
    if left:
        raise LabError(f"processes in {name} do not end: {', '.join(str(process.pid) for process in left)}")


def delete(name: str) -> None:
    if exists(name):
        run("ip", "netns", "delete", name)
    if NAMES.is_dir() and not any(NAMES.iterdir()):
        _unmount_names()


def _unmount_names() -> None:
    """`ip netns add` leaves a mount on its folder of names; the last namespace takes it along."""
    with contextlib.suppress(LabError, OSError):
        run("umount", str(NAMES))
        NAMES.rmdir()
