"""Waiting for the world, up to a limit that only a broken one reaches."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0  # seconds


def until(holds: Callable[[], object]) -> None:
    """Look again until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.02)
