"""A plan and its rollout, as values: what would be done to which node, what that destroys, how far it got."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from profiles.document import Strict
from profiles.hosts import State
from profiles.site import Site


class Seconds(Strict):
    """How long something takes: the median, and between what eight of ten runs lay; `runs` were looked at."""

    median: float
    p10: float
    p90: float
    runs: int


class Act(Strict):
    """Something that cannot be undone: what `verb` does, and the serial of the disk, where it is known."""

    verb: str
    does: str
    serial: str | None = None


class Verdict(StrEnum):
    """What a plan says of a node."""

    SO = "as declared"
    CHANGE = "changes"
    LEFT = "left alone"
    BUSY = "busy"
    BLOCKED = "cannot"


class NodePlan(Strict):
    """What would be done to one node; `facts` is what that was concluded from, and must still hold then.

    `differs`: what is not as declared, in words. `becomes`: a digest of all that it would be turned into.
    """

    node: str
    name: str
    state: str
    wanted: State | None
    verdict: Verdict
    why: str | None = None
    verbs: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    acts: tuple[Act, ...] = ()
    seconds: Seconds | None = None
    becomes: str | None = None
    facts: dict[str, Any]

    @property
    def pending(self) -> bool:
        """Whether anything would be changed."""
        return self.verdict not in (Verdict.BUSY, Verdict.BLOCKED) and bool(self.verbs or self.differs)


class Options(Strict):
    """How a plan is carried out."""

    max_parallel: int = Field(default=50, ge=1)
    """Nodes under way at once."""
    canary: int = Field(default=0, ge=0)
    """So many nodes go first, to their ends; the others follow only if all of them succeed."""
    failure_budget: int = Field(default=0, ge=0)
    """When more nodes than this have failed, no further ones are started."""


class Plan(Strict):
    """Everything that `apply` would do to bring a site to what is declared."""

    format: Literal["undercloud plan 1"] = "undercloud plan 1"
    made_at: AwareDatetime
    site: Site
    targets: tuple[str, ...] = ()
    """The nodes that were asked for; () means all that are declared."""
    nodes: tuple[NodePlan, ...]
    missing: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    declares: bool
    """Whether the declaration itself differs from the one that the seed has."""
    seconds: float | None = None
    """Until the last node is done, with the options that were given; None where a verb has no history."""

    @property
    def pending(self) -> bool:
        return self.declares or any(node.pending for node in self.nodes)

    def document(self) -> dict[str, Any]:
        """For JSON; the site as it was written."""
        return {**self.model_dump(mode="json", exclude={"site"}), "site": self.site.document()}

    def changed(self, now: Plan) -> Iterator[str]:
        """What is not as it was when this plan was made, in words, by node."""
        before, after = ({node.node: node for node in plan.nodes} for plan in (self, now))
        for uuid in before | after:
            match before.get(uuid), after.get(uuid):
                case None, NodePlan() as new:
                    yield f"node '{new.name}' is not in the plan, and the declaration is about it now"
                case NodePlan() as gone, None:
                    yield f"node '{gone.name}' is gone, or the declaration is not about it any more"
                case NodePlan() as was, NodePlan() as found if words := ", ".join(_changes(was, found)):
                    yield f"node '{was.name}': {words}"


def _changes(was: NodePlan, found: NodePlan) -> Iterator[str]:
    for key in was.facts | found.facts:
        old, new = was.facts.get(key), found.facts.get(key)
        if old != new:
            yield f"{key} was {_word(old)}, is {_word(new)}"
    if was.facts != found.facts:
        return  # what follows from them
    if was.verbs != found.verbs:
        yield f"the way was {_word(was.verbs)}, would now be {_word(found.verbs)}"
    if was.acts != found.acts:
        yield f"to be lost were {_acts(was)}, would now be {_acts(found)}"
    if was.becomes != found.becomes:
        yield "its image is another, or what it would become"
    if was.differs != found.differs:
        yield f"to be put right was {_word(was.differs)}, would now be {_word(found.differs)}"


def _acts(node: NodePlan) -> str:
    return _word([f"{act.verb} {act.does}" for act in node.acts])


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


class RolloutState(StrEnum):
    """Where a rollout is; the last three are ends."""

    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


class RowState(StrEnum):
    """Where a node of a rollout is; the last three are ends."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Rollout:
    """A plan that is being carried out, by the seed."""

    id: int
    created_at: datetime
    who: str
    state: RolloutState
    options: Options
    reason: str | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Row:
    """One node of a rollout: `cursor` counts the verbs that are done, `run` is the newest one's."""

    rollout: int
    position: int
    node: str
    verbs: tuple[str, ...]
    cursor: int
    state: RowState
    becomes: str | None = None
    run: int | None = None
    message: str | None = None
