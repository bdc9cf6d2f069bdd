from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from agent_certificate import self_signed
from hypothesis import settings
from seed_machine import Machine
from seed_world import World
from store_places import Places

settings.register_profile("seed", deadline=None)  # a busy machine is not a bug
settings.load_profile("seed")


@pytest.fixture(scope="session")
def ca() -> str:
    return self_signed("10.0.0.101")[0]


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Makes stores of either kind."""
    with ExitStack() as stack:
        yield Places(tmp_path_factory.mktemp("places"), stack)


@pytest.fixture
def kind() -> str:
    """The database that a test is over; for both: pytestmark = pytest.mark.parametrize("kind", KINDS)."""
    return "sqlite"


@pytest.fixture
def new_store(places: Places, kind: str) -> Iterator[Callable[[Path], Path | str]]:
    """Says where a new store is, in a folder or on the server."""
    with ExitStack() as stack:

        def new(folder: Path) -> Path | str:
            where = places.new(kind, folder)
            stack.callback(places.forget, where)
            return where

        yield new


@pytest.fixture
def make_world(tmp_path: Path, ca: str, new_store: Callable[[Path], Path | str]) -> Callable[..., World]:
    """Makes worlds; without machines named, of one machine."""

    def make(*machines: Machine, folder: str = "world", fast_track: bool = False) -> World:
        place = tmp_path / folder
        place.mkdir()
        some = machines or (Machine(),)
        return World(place, *some, ca=ca, where=new_store(place), fast_track=fast_track)

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
