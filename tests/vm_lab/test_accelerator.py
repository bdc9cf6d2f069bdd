"""Whether a guest runs is tried, not guessed."""

from __future__ import annotations

import shutil

import pytest
from vmlab import accelerator

pytestmark = pytest.mark.skipif(
    not shutil.which("qemu-system-x86_64"), reason="qemu-system-x86_64 is not installed"
)


def test_a_guest_that_runs_says_so() -> None:
    assert accelerator.runs_guest("tcg", patience=60)


def test_an_accelerator_that_is_not_there_runs_nothing() -> None:
    assert not accelerator.runs_guest("none-such", patience=60)


def test_a_guest_that_hangs_does_not_run() -> None:
    jump_to_itself = bytes.fromhex("ebfe").ljust(510, b"\0") + b"\x55\xaa"
    assert not accelerator.runs_guest("tcg", patience=0.5, boot_sector=jump_to_itself)
