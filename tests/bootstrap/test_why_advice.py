"""What `why` tells people to type is there to be typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from bootstrap.cli import app
from pxe.diagnosis.diagnose import RULES

COMMAND: Any = typer.main.get_command(app)


def advised() -> Iterator[tuple[str, ...]]:
    for rule in RULES:
        for cause in rule.causes:
            for said in re.findall(r"`undercloud ([^`]+)`", f"{cause.what} {cause.do}"):
                yield tuple(said.split())


@pytest.mark.parametrize("words", sorted(set(advised())), ids=" ".join)
def test_a_command_that_is_advised_is_there(words: tuple[str, ...]) -> None:
    command, rest = COMMAND, list(words)
    while hasattr(command, "commands"):
        name = rest.pop(0)
        assert name in command.commands, f"there is no `undercloud {' '.join(words)}`"
        command = command.commands[name]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for word in rest:
        assert not word.startswith("-") or word in options, f"{word} is no option of {command.name}"
