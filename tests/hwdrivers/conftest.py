from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from stopped_clock import StoppedClock

settings.register_profile("hwdrivers", deadline=None)  # a busy machine is not a bug
settings.load_profile("hwdrivers")


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def no_new_sockets() -> Iterator[None]:
    """Asserts that the test leaves no socket open."""
    before = _sockets()
    yield
    assert _sockets() <= before


def _sockets() -> set[str]:
    links = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            link = str(descriptor.readlink())
        except OSError:  # the one that lists this folder
            continue
        if link.startswith("socket:"):
            links.add(link)
    return links
