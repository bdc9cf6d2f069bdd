"""Ask the agent which steps it offers, and choose: automated ones by priority, or those asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from seed import agent_steps
from seed.agent import agent_node
from seed.agent_steps import Document, NotOffered
from seed.ramdisk import Ramdisk
from seed.step import Complete, Failed, Result, Walk
from seed.steps.identity import mismatch
from seed.wanted_steps import WantedStep, in_order


class ListSteps:
    """Puts what it chose right after itself; a step that is not offered fails it before any is taken."""

    timeout = timedelta(minutes=10)
    abortable = True
    needs: str | None = None

    def __init__(
        self, ramdisk: Ramdisk, kind: str, *, priorities: Mapping[str, int], burn_in: Sequence[WantedStep]
    ) -> None:
        """`kind`: clean or service; `priorities` override the agent's own; `burn_in`: what a test does."""
        self.name = f"list_{kind}_steps"
        self._ramdisk = ramdisk
        self._kind = kind
        self._priorities = priorities
        self._burn_in = burn_in

    def execute(self, walk: Walk) -> Result:
        agent = self._ramdisk.agent(walk.node)
        if agent is None or agent.report is None:
            return Failed("the agent is gone; ask for the verb again")
        wrong = mismatch(walk.node, agent.report)
        if wrong:
            return Failed(wrong)
        offered, _ = self._ramdisk.client(walk.node).steps(self._kind, agent_node(walk.node))
        try:
            chosen = self._choose(walk, offered)
        except NotOffered as error:
            return Failed(str(error))
        steps, documents = agent_steps.references(chosen, self._kind)
        note = f"{len(offered)} offered; chosen: {', '.join(steps) or 'none'}"
        return Complete(note, then=steps, args={"chosen": documents})

    def _choose(self, walk: Walk, offered: list[Document]) -> list[Document]:
        if walk.run.verb == "decommission":
            return agent_steps.erasing(offered)
        wanted = [WantedStep.model_validate(step) for step in walk.run.args.get("steps", [])]
        if walk.run.verb == "test" and not wanted:
            wanted = in_order(self._burn_in)
        if wanted:
            return agent_steps.asked_for(wanted, offered)
        return agent_steps.automated(offered, self._priorities)
