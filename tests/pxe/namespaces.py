"""Two ends of a cable in a network namespace of the test's own: the seed's NIC and a machine's."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
NAMES = Path("/run/netns")
SEED, MACHINE = "prov0", "machine0"
ADDRESS = "192.0.2.1"
_COUNT = itertools.count(1)
_CLONE_NEWNET = 0x40000000


def why_not() -> str | None:
    """Why no namespace can be had here, or None."""
    if os.geteuid():
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "dnsmasq", "setpriv") if not shutil.which(tool)]
    if missing:
        return f"{', '.join(missing)} is not installed"
    done = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return None if done.returncode == 0 else "this kernel or container gives no network namespaces"


@dataclass(frozen=True)
class Cable:
    """A namespace with `prov0` (192.0.2.1/24), wired to `machine0`."""

    name: str

    def argv(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *command]

    def inside(self, act: Callable[[], T]) -> T:
        """Call `act` on a thread that lives in the namespace; what it starts is born there."""
        outcome: list[T] = []
        failure: list[BaseException] = []

        def work() -> None:
            try:
                _join(NAMES / self.name)
                outcome.append(act())
            except BaseException as error:
                failure.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        return outcome[0]


@contextmanager
def namespace() -> Iterator[Cable]:
    """A namespace with nothing in it but `lo`; at the end whatever still lives in it is killed."""
    name = f"uct{os.getpid()}-{next(_COUNT)}"
    had_names = NAMES.exists()
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "set", "lo", "up")
        yield Cable(name)
    finally:
        for pid in ip("netns", "pids", name).split():
            os.kill(int(pid), 9)
        ip("netns", "delete", name)
        if not had_names and not any(NAMES.iterdir()):
            subprocess.run(["umount", str(NAMES)], capture_output=True, check=False)
            NAMES.rmdir()


@contextmanager
def cable(machine_mac: str = "52:54:00:00:00:01") -> Iterator[Cable]:
    """Lay a cable; at the end all is taken away."""
    with namespace() as laid:
        ip("-n", laid.name, "link", "add", SEED, "type", "veth", "peer", "name", MACHINE)
        ip("-n", laid.name, "link", "set", MACHINE, "address", machine_mac)
        ip("-n", laid.name, "address", "add", f"{ADDRESS}/24", "dev", SEED)
        if Path("/proc/sys/net/ipv6").exists():
            ip("-n", laid.name, "address", "add", "fd00:5eed::1/64", "dev", SEED, "nodad")
        for interface in (SEED, MACHINE):
            ip("-n", laid.name, "link", "set", interface, "up")
        yield laid


def ip(*words: str) -> str:
    """What ip(8) prints; raises CalledProcessError."""
    command: Sequence[str] = ("ip", *words)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _join(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    finally:
        os.close(descriptor)
