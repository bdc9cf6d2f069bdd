"""Not found, and in the way of something else, are two answers."""

from __future__ import annotations


class NotFound(LookupError):
    """Nothing of that name is in the store."""


class WrongKey(RuntimeError):
    """The stored secrets were encrypted with another key than the one in use."""


class Conflict(ValueError):
    """It would contradict what is in the store, or somebody else was quicker."""
