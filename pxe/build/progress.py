"""What a build tells whoever waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Shown phase by phase; the command line prints it, tests and services stay silent."""

    def phase(self, title: str) -> AbstractContextManager[None]:
        """Around one phase of the work."""
        ...

    def note(self, text: str) -> None:
        """Something the operator should know about the result."""
        ...


class Silent:
    """Tells nobody."""

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        yield

    def note(self, text: str) -> None:
        """Drop it."""
