"""The `undercloud` command as an operator types it, standing inside the rack's network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmlab import namespace
from vmlab.errors import LabError
from vmlab.rack import Rack

TOOLS = Path(sys.prefix) / "bin"


@dataclass(frozen=True)
class Undercloud:
    rack: Rack
    config: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: str) -> None:
        """Its output passes through, progress and colours too."""
        if subprocess.run(self._argv(words), env=self._env(), check=False).returncode:
            raise LabError(f"`undercloud {' '.join(words)}` failed; what it said stands above")

    def ask(self, *words: str) -> Any:
        """What it answers as JSON."""
        done = subprocess.run(
            self._argv([*words, "-o", "json"]), env=self._env(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise LabError(f"`undercloud {' '.join(words)}` failed:\n{done.stderr.strip()}")
        return json.loads(done.stdout)

    def output(self, *words: str) -> str | None:
        """What it printed, or nothing when it failed."""
        done = subprocess.run(self._argv(words), env=self._env(), capture_output=True, text=True, check=False)
        return None if done.returncode else done.stdout

    def _argv(self, words: Any) -> list[str]:
        command = [str(TOOLS / "undercloud"), "--config", str(self.config), *words]
        return namespace.entering(self.rack.namespace, command)

    def _env(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}", **self.env}
