"""A shorter form of `tests/run chaos`: the same command, with fewer kills."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHAOS = Path(__file__).with_name("chaos.py")


def test_a_seed_that_is_killed_loses_nothing_and_destroys_nothing_twice() -> None:
    done = subprocess.run(
        [
            sys.executable,
            str(CHAOS),
            "--database",
            "sqlite",
            "--trials",
            "10",
            "--kills",
            "40",
            "--machines",
            "10",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
