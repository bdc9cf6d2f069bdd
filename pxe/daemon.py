"""Keep dnsmasq running: a context manager that starts it, reads its log, restarts it and ends it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)


class DaemonFailed(RuntimeError):
    """dnsmasq does not start; the message has its own words."""


class Dnsmasq:
    """One supervised dnsmasq; `on_line` gets each line of its log.

    It dies with the thread that started it (PR_SET_PDEATHSIG through setpriv(1)), also by SIGKILL, so that
    no orphan keeps the DHCP port.
    """

    def __init__(self, configuration: Path, on_line: Callable[[str], None]) -> None:
        self._argv = ["setpriv", "--pdeathsig", "KILL", "dnsmasq", "--keep-in-foreground"]
        self._argv += [f"--conf-file={configuration}", "--user=root", "--group=root"]
        self._on_line = on_line
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._settled = threading.Event()
        self._up = False
        self._words: list[str] = []
        self._thread = threading.Thread(target=self._supervise, name="dnsmasq", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._settled.wait(15)
        if not self._up:
            self.__exit__(None, None, None)
            raise DaemonFailed(
                "dnsmasq does not start: " + ("; ".join(self._words[-3:]) or "it says nothing")
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._signal(signal.SIGTERM)
        self._thread.join(10)
        self._signal(signal.SIGKILL)

    def reload(self) -> None:
        """Have the reservations read again."""
        self._signal(signal.SIGHUP)

    def _signal(self, number: signal.Signals) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            os.kill(process.pid, number)

    def _supervise(self) -> None:
        pause = 0.5
        while not self._stopping.is_set():
            began = time.monotonic()
            self._run()
            if not self._up and pause > 0.5:  # twice; the first may have met its predecessor's last breath
                self._settled.set()
                return
            pause = 0.5 if time.monotonic() - began > 60 else min(pause * 2, 30)
            if not self._stopping.is_set():
                log.error("dnsmasq ended; it is started again in %.0f s", pause)
                self._stopping.wait(pause)

    def _run(self) -> None:
        try:
            started = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except OSError as error:
            self._words.append(str(error))
            return
        with started as process:
            self._process = process
            if self._stopping.is_set():  # asked to stop before there was anything to signal
                process.terminate()
            for line in process.stdout or ():
                self._read(line.rstrip())

    def _read(self, line: str) -> None:
        log.info("%s", line)
        self._words = [*self._words[-20:], line]
        if "started, version" in line:
            self._up = True
            self._settled.set()
        try:
            self._on_line(line)
        except Exception:
            log.exception("a line of dnsmasq's log could not be journaled")


class NoDnsmasq:
    """In dnsmasq's place where a site wants neither DHCP nor TFTP of the seed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def reload(self) -> None:
        """There is nobody to tell."""
