"""A rack's network namespace: who lives in it, how to get in, and how to end it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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


def become(name: str, argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Turns this process into `argv` inside the namespace; its exit status is ours."""
    command = entering(name, argv)
    os.execvpe(command[0], command, env)  # noqa: S606


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
    ours, here = _ourselves(), (NAMES / name).stat()
    pids = (int(folder.name) for folder in Path("/proc").glob("[0-9]*"))
    found = (Process.of(pid) for pid in pids if pid not in ours)
    return [process for process in found if process and _lives_in(process, here)]


def _lives_in(process: Process, namespace: os.stat_result) -> bool:
    try:
        return os.path.samestat(Path(f"/proc/{process.pid}/ns/net").stat(), namespace)
    except OSError:
        return False


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
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        processes, deadline = inhabitants(name), time.monotonic() + patience
        for process in processes:
            process.signal(number)
        for process in processes:
            process.wait(max(0.0, deadline - time.monotonic()))
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
