"""What the lab says when it cannot go on: what was seen, and what to do next."""

from __future__ import annotations


class LabError(Exception):
    """An expected failure: printed without a traceback."""

    def __init__(self, seen: str, *, do: str = "") -> None:
        super().__init__(f"{seen}\n{do}" if do else seen)
        self.seen = seen
        self.do = do
