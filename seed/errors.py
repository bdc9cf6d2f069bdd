"""What stops a seed or a command; light to import, since every command does."""

from __future__ import annotations


class StoreFailed(RuntimeError):
    """The store cannot be opened, or does not answer now; the message says what was seen."""
