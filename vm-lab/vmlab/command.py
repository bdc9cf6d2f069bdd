"""System tools run to their end, and what they said when they failed."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Any

from vmlab.errors import LabError

PATIENCE = 60.0


def run(*argv: str, give: str | None = None) -> str:
    """The tool's output; a failure is a `LabError` with the command as one could type it."""
    try:
        done = subprocess.run(
            argv, input=give or "", capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except FileNotFoundError:
        raise LabError(
            f"{argv[0]} is not installed", do="vm-lab/setup installs what the lab needs."
        ) from None
    except subprocess.TimeoutExpired:
        raise LabError(f"no answer within {PATIENCE:.0f} s from: {shlex.join(argv)}") from None
    if done.returncode:
        raise LabError(f"{shlex.join(argv)}\n{done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout


def run_json(*argv: str) -> Any:
    return json.loads(run(*argv) or "[]")
