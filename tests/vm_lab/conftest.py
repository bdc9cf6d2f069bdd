"""Racks of the tests' own, driven through the command like everybody's."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from outside import Lab

UNDERCLOUD = Path(sys.executable).with_name("undercloud")
COUNT = itertools.count(1)


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture
def new_lab(lab_folder: Path) -> Iterator[Callable[[], Lab]]:
    """Makes names for racks; whatever stands at the end is taken down."""
    if os.geteuid():
        pytest.skip("a rack needs root")
    made: list[Lab] = []

    def make() -> Lab:
        made.append(Lab(UNDERCLOUD, f"t{os.getpid()}-{next(COUNT)}", lab_folder))
        return made[-1]

    yield make
    for lab in made:
        lab("down")


@pytest.fixture
def lab(new_lab: Callable[[], Lab]) -> Lab:
    return new_lab()


@pytest.fixture(scope="session")
def standing_rack(lab_folder: Path) -> Iterator[Lab]:
    """One rack of three machines that tests share; they leave its machines powered off."""
    if os.geteuid():
        pytest.skip("a rack needs root")
    lab = Lab(UNDERCLOUD, f"t{os.getpid()}-shared", lab_folder)
    try:
        done = lab("up")
        assert done.returncode == 0, done.stderr
        yield lab
    finally:
        subprocess.run(lab.argv("down"), env=lab.env, check=False)
