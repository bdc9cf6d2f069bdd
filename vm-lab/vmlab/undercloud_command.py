"""The `undercloud` command as an operator types it, standing inside the rack's network."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmlab import namespace
from vmlab.errors import LabError
from vmlab.rack import Rack

TOOLS = Path(sys.prefix) / "bin"


@dataclass(frozen=True)
class Undercloud:
    rack: Rack

    def run(self, *words: str, ends_with: Container[int] = (0,)) -> None:
        """Its output passes through, progress and colours too."""
        done = subprocess.run(self._argv(words), env=self.rack.environment(), check=False)
        if done.returncode not in ends_with:
            raise LabError(f"`undercloud {' '.join(words)}` failed; what it said stands above")

    def ask(self, *words: str) -> Any:
        """What it answers as JSON."""
        done = subprocess.run(
            self._argv([*words, "-o", "json"]),
            env=self.rack.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LabError(f"`undercloud {' '.join(words)}` failed:\n{done.stderr.strip()}")
        return json.loads(done.stdout)

    def output(self, *words: str) -> str | None:
        """What it printed, or nothing when it failed."""
        done = subprocess.run(
            self._argv(words), env=self.rack.environment(), capture_output=True, text=True, check=False
        )
        return None if done.returncode else done.stdout

    def _argv(self, words: Any) -> list[str]:
        return namespace.entering(self.rack.namespace, [str(TOOLS / "undercloud"), *words])
