"""The seeds of a campaign, as who kills them has them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from chaos_site import Place

ZYGOTE = Path(__file__).with_name("chaos_zygote.py")


class Seed:
    """One of those that share a fleet, through all its deaths."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.alive = False
        self.unasked: list[str] = []  # when it ended otherwise than by SIGKILL
        self._pid = 0
        self._log = (place.state / "seed.log").open("ab")
        self._zygote = subprocess.Popen(
            [sys.executable, str(ZYGOTE), str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def start(self) -> None:
        self._pid = int(self._order("start"))
        self.alive = True

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self.bury()

    def bury(self) -> None:
        """When it is dying, or dead."""
        status = int(self._order(f"wait {self._pid}"))
        self.alive = False
        if status != -signal.SIGKILL:
            self.unasked.append(f"{self.place.name} ended by itself with {status}; see {self._log.name}")

    def close(self) -> None:
        """What lives still dies with the zygote."""
        self._zygote.communicate(timeout=30)
        self._log.close()

    def _order(self, words: str) -> str:
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        print(words, file=self._zygote.stdin, flush=True)
        answer = self._zygote.stdout.readline()
        if not answer:
            raise AssertionError(f"the zygote is gone; see {self._log.name}")
        return answer
