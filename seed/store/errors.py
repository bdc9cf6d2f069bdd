"""Not found, and in the way of something else, are two answers."""

from __future__ import annotations


class NotFound(LookupError):
    """Nothing of that name is in the store."""


class WrongKey(RuntimeError):
    """The stored secrets were encrypted with another key than the one in use."""


class Conflict(ValueError):
    """It would contradict what is in the store, or somebody else was quicker."""


class LeaseLost(RuntimeError):
    """Another seed has this run by now; what this one was about to do for it must not be done."""

    def __init__(self, run: int) -> None:
        super().__init__(f"run {run} is another seed's by now, or has ended")
