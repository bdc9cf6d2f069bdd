"""From a rack, or any remains of one, to nothing."""

from __future__ import annotations

import shutil

from vmlab import namespace
from vmlab.rack import Rack


def stop(rack: Rack) -> None:
    """Ends every process of the rack and its network; disks and settings stay."""
    namespace.clear(rack.namespace)
    namespace.delete(rack.namespace)
    for leftover in rack.path.glob("*.pid"):
        leftover.unlink(missing_ok=True)


def down(rack: Rack) -> bool:
    """Removes the rack; whether there was one."""
    there = rack.path.exists() or namespace.exists(rack.namespace)
    stop(rack)
    shutil.rmtree(rack.path, ignore_errors=True)
    return there
