"""The lab as one sees it from outside: the command, and what the machine looks like."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Lab:
    """`undercloud lab` for one rack."""

    command: Path
    name: str
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "UNDERCLOUD_LAB_DIR": str(self.folder)}

    @property
    def rack(self) -> Path:
        return self.folder / "racks" / self.name

    def argv(self, verb: str, *words: str) -> list[str]:
        return [str(self.command), "lab", verb, "--name", self.name, *words]

    def __call__(self, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(verb, *words), env=self.env, capture_output=True, text=True, check=False, timeout=400
        )

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self("exec", "--", *command)

    def status(self) -> dict[str, Any]:
        done = self("status", "-o", "json")
        assert done.returncode == 0, done.stderr
        status: dict[str, Any] = json.loads(done.stdout)
        return status

    def power(self) -> dict[str, str]:
        return {machine["name"]: machine["power"] for machine in self.status()["machines"]}

    def traces(self) -> dict[str, list[str]]:
        """All that there is of the rack: files, processes, mounts, namespaces."""
        return {
            "files": [str(self.rack)] if self.rack.exists() else [],
            "processes": self.command_lines(),
            "mounts": [
                line for line in Path("/proc/self/mountinfo").read_text().splitlines() if self._ours(line)
            ],
            "namespaces": [name for name in _namespaces() if self._ours(name)],
            "taps": [path.parent.name for path in Path("/sys/class/net").glob("*/tun_flags")],
        }

    def command_lines(self) -> list[str]:
        """Of every process whose command line or environment names the rack."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                argv, env = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
            except OSError:
                continue
            if str(self.rack).encode() in argv + env:
                found.append(argv.replace(b"\0", b" ").decode())
        return found

    def _ours(self, text: str) -> bool:
        return str(self.rack) in text or f"uc-{self.name}-" in text


def _namespaces() -> list[str]:
    folder = Path("/run/netns")
    return [path.name for path in folder.iterdir()] if folder.exists() else []
