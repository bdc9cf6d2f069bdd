"""A machine's serial console, as far as it has been written, and onwards."""

from __future__ import annotations

import time
from pathlib import Path
from typing import BinaryIO

LOOK_EVERY = 0.2


def copy(log: Path, to: BinaryIO, follow: bool) -> None:
    """Copies the log; with `follow`, until interrupted."""
    while follow and not log.exists():
        time.sleep(LOOK_EVERY)
    if not log.exists():
        return
    with log.open("rb") as file:
        while (chunk := file.read(1 << 16)) or follow:
            to.write(chunk)
            to.flush()
            if not chunk:
                time.sleep(LOOK_EVERY)
