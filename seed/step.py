"""What a step is, and the three answers that it can give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from pxe.milestones import StepFault
from seed.model import Node, Run


@dataclass(frozen=True)
class Complete:
    """Done. `facts` about the node are saved with it; `event` moves the node along the graph.

    `then` are steps that follow at once, before those that the run has still to do; `args` is added to the
    run's own, for later steps.
    """

    note: str
    facts: dict[str, Any] = field(default_factory=dict)
    event: str | None = None
    then: tuple[str, ...] = ()
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiting:
    """Not yet: ask again after `poll`, or as soon as the machine calls. `facts` were learnt on the way.

    `poll` None: only an operator's `unhold` goes on.
    """

    reason: str
    poll: timedelta | None = timedelta(seconds=10)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """It went wrong; `retryable` says whether trying again could help, and `attempts` how often in all.

    `facts` were learnt on the way; `fault`: what it means for a boot that is waited for.
    """

    reason: str
    retryable: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    attempts: int = 4
    fault: StepFault | None = None


Result = Complete | Waiting | Failed


@dataclass(frozen=True)
class Walk:
    """One run on its node, as a step sees it."""

    node: Node
    run: Run
    note: Callable[..., None]
    """note(kind, message, **data): append to the journal at once, before what is announced happens."""
    remember: Callable[..., None]
    """remember(**values): what must survive a crash of the seed, saved at once in `memo`."""

    @property
    def memo(self) -> dict[str, Any]:
        return self.run.memo


class Step(Protocol):
    """One thing to be done on the way; it may be executed twice, so it first asks: is it already so?

    `needs` names a resource of which the site has only so many, such as image writes; None: not limited.
    """

    name: str
    timeout: timedelta
    abortable: bool
    needs: str | None

    def execute(self, walk: Walk) -> Result:
        """Do it, or see whether it is done; blocks only for bounded calls, long work answers Waiting."""
