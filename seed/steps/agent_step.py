"""Have the agent take one of its own steps: erase disks, burn in, change firmware or RAID."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from seed.agent import Command, agent_node
from seed.agent_steps import Document, name_of
from seed.ramdisk import Ramdisk
from seed.step import Complete, Failed, Result, Walk
from seed.steps.agent_command import AgentCommand
from seed.steps.identity import disks_of, mismatch
from seed.wanted_steps import RESERVED, destroys

# A disk that is dying keeps this one busy for ever; overwriting a whole disk may well take days.
LIMITS = {"deploy.erase_devices_metadata": timedelta(minutes=30)}


class AgentStep:
    """Which one stands behind the step's name. Before data is destroyed, the journal names every disk."""

    timeout = timedelta(days=7)
    needs: str | None = None

    def __init__(self, ramdisk: Ramdisk, agent: AgentCommand, kind: str, *, abortable: bool) -> None:
        """`kind`: clean, service or deploy; `abortable` as the agent says of the steps that come here."""
        self.name = f"{kind}_step" if abortable else f"critical_{kind}_step"
        self.abortable = abortable
        self._ramdisk = ramdisk
        self._agent = agent
        self._kind = kind

    def execute(self, walk: Walk) -> Result:
        agent = self._ramdisk.agent(walk.node)
        if agent is None or agent.report is None:
            return Failed("the agent is gone; ask for the verb again")
        wrong = mismatch(walk.node, agent.report)
        if wrong:
            return Failed(wrong)
        step = walk.run.args["chosen"][walk.run.argument]
        if "version" not in walk.memo:
            self._announce(walk, step, disks_of(agent.report))
        return self._agent.run(
            walk,
            f"{self._kind}.execute_{self._kind}_step",
            lambda: self._order(walk, step),
            lambda command: self._done(walk, step, command),
            LIMITS.get(name_of(step)),
        )

    def _announce(self, walk: Walk, step: Document, disks: str) -> None:
        """The version is of this boot of the ramdisk, which need not be the one that listed the steps."""
        _, version = self._ramdisk.client(walk.node).steps(self._kind, _node(walk, step))
        if destroys(step["step"]):
            walk.note("destructive", f"{name_of(step)} on {disks}")
        walk.remember(version=version)

    def _order(self, walk: Walk, step: Document) -> dict[str, Any]:
        version = {f"{self._kind}_version": walk.memo["version"]}
        return {"node": _node(walk, step), "ports": [], "step": step, **version}

    def _done(self, walk: Walk, step: Document, command: Command) -> Result:
        then = RESERVED["reboot"] if step.get("reboot_requested") else ()
        answer = command.result.get(f"{self._kind}_result") if isinstance(command.result, Mapping) else None
        results = {**walk.run.args.get("results", {}), walk.run.argument: answer}
        return Complete(f"{name_of(step)} is done", then=then, args={"results": results})


def _node(walk: Walk, step: Document) -> dict[str, Any]:
    # After a deploy wrote its image, the agent finds the disk again by its serial.
    serial = walk.node.instance.disk_serial if walk.node.instance else None
    return agent_node(walk.node, {"serial": f"s== {serial}"} if serial else None, step.get("settings"))
