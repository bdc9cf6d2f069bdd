from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from agent_certificate import self_signed
from cryptography.fernet import Fernet
from hypothesis import settings
from seed_machine import Machine
from seed_world import KEY, World

from seed.store import Store

settings.register_profile("seed", deadline=None)  # a busy machine is not a bug
settings.load_profile("seed")


@pytest.fixture(scope="session")
def ca() -> str:
    return self_signed("10.0.0.101")[0]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as it is before anything happens."""
    path = tmp_path_factory.mktemp("seed") / "template.sqlite"
    store = Store(path, Fernet(KEY))
    store.migrate()
    store.close()
    return path


@pytest.fixture
def make_world(tmp_path: Path, ca: str, template: Path) -> Callable[..., World]:
    """Makes worlds; without machines named, of one machine."""

    def make(*machines: Machine, folder: str = "world", fast_track: bool = False) -> World:
        place = tmp_path / folder
        place.mkdir()
        return World(place, *(machines or (Machine(),)), ca=ca, template=template, fast_track=fast_track)

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
