"""One command at a time builds or removes a rack."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from vmlab.errors import LabError
from vmlab.rack import Rack


@contextmanager
def claimed(rack: Rack) -> Iterator[None]:
    """Holds the rack's name as an abstract socket: it goes with the process, and leaves no file."""
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(f"\0undercloud-lab-{rack.namespace}")
        except OSError:
            again = "Wait for it to end, then try again."
            raise LabError(f"another command is working on rack {rack.name}", do=again) from None
        yield
