"""What one thing is that a BMC can be asked without a run: a look, or a change that harms nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from hwdrivers.bmc import BMC


class Arguments(BaseModel):
    """What an operation is given; nothing, where it says no more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def for_node(self, uuid: str) -> dict[str, Any]:
        """JSON-ready, as one node's run keeps it."""
        return self.model_dump(mode="json")


Ask = Callable[[BMC, Any], dict[str, Any]]


@dataclass(frozen=True)
class Operation:
    """`ask` blocks, and answers what an operator sees; it raises BMCError. None: for power, by a sweep.

    `announces`: the words that the journal has before a change, after the node's name; None: it only looks.
    """

    ask: Ask | None
    arguments: type[Arguments] = Arguments
    announces: Callable[[Any], str] | None = None


def web_url(text: str) -> str:
    """An address that a BMC may fetch from; raises ValueError.

    It stands in the journal and in the BMC's own pages, so it carries no password.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an http:// or https:// address that a BMC could fetch")
    if parts.username is not None or parts.password is not None:
        raise ValueError("carries a user name or password, which the BMC and the journal would show")
    return text
