"""Machines in QEMU on a cable to a seed's end: real firmware, a real dnsmasq, an HTTP server that notes."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import namespaces
from dnsmasq_seed import SeedEnd
from namespaces import ADDRESS, MACHINE, Cable

from pxe.dnsmasq import Reservation
from pxe.ipxe import entry_script

QEMU = "qemu-system-x86_64"
MAC = "52:54:00:00:00:77"
BASE = f"http://{ADDRESS}:8080"
KNOWN = Reservation(MAC, "node-1", "192.0.2.101")


def why_not() -> str | None:
    """Why no machine can be had here, or None."""
    return namespaces.why_not() or (None if shutil.which(QEMU) else f"{QEMU} is not installed")


class ScriptServer(ThreadingHTTPServer):
    """Answers for the seed: files, the entry script, and then the given answers in turn; None is 503."""

    def __init__(self, answers: Sequence[str | None], files: Mapping[str, Path]) -> None:
        self.asked: list[str] = []
        self.answers = list(answers)
        self.files = files
        super().__init__((ADDRESS, 8080), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: ScriptServer

    def do_HEAD(self) -> None:
        self._answer(self.server.files[self.path].read_bytes(), body=False)

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path in self.server.files:
            self._answer(self.server.files[self.path].read_bytes())
        elif self.path == "/boot.ipxe":
            self._answer(entry_script(f"{BASE}/script").encode())
        elif self.path.startswith("/script") and self.server.answers:
            text = self.server.answers.pop(0)
            self._answer(None if text is None else text.encode())
        else:
            self._answer(None)

    def _answer(self, content: bytes | None, *, body: bool = True) -> None:
        self.send_response(503 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"" if body else b"")

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def wired() -> Iterator[Cable]:
    """A cable to the seed's end, and at the other a bridge with a tap for QEMU."""
    with namespaces.cable() as cable:
        cables = (
            f"tuntap add tap0 mode tap\nlink add lab0 type bridge\nlink set {MACHINE} master lab0\n"
            "link set tap0 master lab0\nlink set lab0 up\nlink set tap0 up\n"
        )
        subprocess.run(cable.argv("ip", "-batch", "-"), input=cables, text=True, check=True)
        yield cable


@contextmanager
def seed(
    folder: Path,
    answers: Sequence[str | None],
    files: Mapping[str, Path] | None = None,
    host: Reservation = KNOWN,
    first: Callable[[str], str] = lambda configuration: configuration,
) -> Iterator[tuple[Cable, ScriptServer, SeedEnd]]:
    """dnsmasq and HTTP at one end of a cable, a bridge with a tap for QEMU at the other.

    `first` makes dnsmasq's configuration another one to begin with.
    """
    with wired() as cable:
        end = SeedEnd(cable, folder)
        end.enroll(host)
        end.configuration.write_text(first(end.configuration.read_text()))
        with end.serving(), cable.inside(lambda: ScriptServer(answers, files or {})) as scripts:
            threading.Thread(target=scripts.serve_forever, daemon=True).start()
            try:
                yield cable, scripts, end
            finally:
                scripts.shutdown()


@dataclass(frozen=True)
class Run:
    """What a machine said on its serial port, and the CPU seconds (user and system) that QEMU took."""

    said: str
    cpu: float


def boots_until(cable: Cable, serial: Path, words: str, *firmware: str, memory: int = 512) -> Run:
    """Power a machine on, and off again once it says `words` on its serial port."""
    machine = powered_on(cable, serial, *firmware, memory=memory)
    try:
        deadline = time.monotonic() + 240
        while words not in (said := serial.read_text(errors="replace") if serial.exists() else ""):
            assert machine.poll() is None and time.monotonic() < deadline, said[-3000:]
            time.sleep(0.2)
        return Run(said, _cpu_seconds(machine.pid))
    finally:
        machine.kill()
        machine.wait()


def powered_on(cable: Cable, serial: Path, *more: str, memory: int = 512) -> subprocess.Popen[bytes]:
    """A machine on the tap; what it says on its serial port comes into that file."""
    network = "tap,id=net,ifname=tap0,script=no,downscript=no"
    command = [QEMU, "-accel", "tcg", "-m", str(memory), "-display", "none", "-serial", f"file:{serial}"]
    return subprocess.Popen(cable.argv(*command, "-netdev", network, *more))


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process (proc(5): fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def boot_sector(words: bytes) -> bytes:
    """A boot sector that writes `words` to the first serial port and halts."""
    setup = b"\xfa\x31\xc0\x8e\xd8\xfc\xbe" + struct.pack("<H", 0x7C40)  # cli; ds = 0; cld; si = words
    loop = b"\xac\x84\xc0\x74\x06\xba\xf8\x03\xee\xeb\xf5"  # lodsb; until 0; out 0x3f8
    halt = b"\xf4\xeb\xfd"
    code = (setup + loop + halt).ljust(0x40, b"\0") + words + b"\0"
    entry = bytes([0x80, 0, 2, 0, 0x83, 0, 3, 0]) + struct.pack("<II", 1, 100)
    return code.ljust(446, b"\0") + entry.ljust(64, b"\0") + b"\x55\xaa"
