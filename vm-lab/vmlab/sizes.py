"""Sizes as people write them: `8GiB`, `512MiB`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def parse(text: Any) -> int:
    """Bytes of `8GiB`."""
    match = re.fullmatch(r"(\d+) ?([KMGT]iB)", text) if isinstance(text, str) else None
    if not match:
        raise ValueError(
            f"{text!r} is not a size; write a whole number with KiB, MiB, GiB or TiB, as in 8GiB"
        )
    return int(match[1]) * UNITS[match[2]]


def render(size: int) -> str:
    """The shortest exact text that `parse` reads back."""
    unit = next(name for name in reversed(UNITS) if size % UNITS[name] == 0)
    return f"{size // UNITS[unit]}{unit}"


Size = Annotated[int, BeforeValidator(parse), PlainSerializer(render)]
