"""Conversations with BMCs that several callers share, and what each caller gets of one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

from hwdrivers.bmc import BMC, Endpoint
from hwdrivers.offers import ATTRIBUTES

Around = Callable[[], AbstractContextManager[None]]
_INTERFACES = frozenset(ATTRIBUTES.values())


class Conversation:
    """An open one. `users`: who has it now; `ended`: nobody else gets it; `idle_since` in seconds."""

    __slots__ = ("bmc", "closed", "ended", "endpoint", "idle_since", "users")

    def __init__(self, endpoint: Endpoint, bmc: BMC) -> None:
        self.endpoint = endpoint
        self.bmc = bmc
        self.users = 0
        self.ended = self.closed = False
        self.idle_since = 0.0


class _Overheard:
    """Something that a driver has, with `around` entered for each of its calls."""

    def __init__(self, thing: Any, around: Around) -> None:
        self._thing = thing
        self._around = around

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thing, name)
        if name in _INTERFACES:
            return None if found is None else _Overheard(found, self._around)
        if not callable(found):
            return found

        def call(*arguments: Any, **more: Any) -> Any:
            with self._around():
                return found(*arguments, **more)

        return call


class _Share(_Overheard):
    """One caller's share of a conversation: its `close` gives it back, once."""

    def __init__(self, bmc: BMC, around: Around, give_back: Callable[[], None]) -> None:
        super().__init__(bmc, around)
        self._give_back: Callable[[], None] | None = give_back

    def close(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


def share(bmc: BMC, around: Around, give_back: Callable[[], None]) -> BMC:
    """The conversation as one caller sees it: `around` is entered for each call."""
    return cast(BMC, _Share(bmc, around, give_back))
