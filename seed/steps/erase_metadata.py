"""Clean the disks: partition tables, file system and RAID signatures are erased (Ironic's metadata clean)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from seed.model import Node
from seed.ramdisk import Ramdisk
from seed.step import Complete, Failed, Result, Walk
from seed.steps.agent_command import AgentCommand
from seed.steps.identity import disks_of, mismatch

STEP = {"step": "erase_devices_metadata", "interface": "deploy", "priority": 10, "abortable": False}


class EraseMetadata:
    """Destructive: every disk is named in the journal before the agent is told."""

    name = "erase_metadata"
    timeout = timedelta(minutes=30)
    abortable = False
    needs: str | None = None

    def __init__(self, ramdisk: Ramdisk, agent: AgentCommand) -> None:
        self._ramdisk = ramdisk
        self._agent = agent

    def execute(self, walk: Walk) -> Result:
        agent = self._ramdisk.agent(walk.node)
        if agent is None or agent.report is None:
            return Failed("the agent is gone; ask for the verb again")
        wrong = mismatch(walk.node, agent.report)
        if wrong:
            return Failed(wrong)
        if "steps" not in walk.memo:
            self._announce(walk, disks_of(agent.report))
        order = {
            "node": agent_node(walk.node),
            "ports": [],
            "step": STEP,
            "clean_version": walk.memo["steps"],
        }
        return self._agent.run(
            walk, "clean.execute_clean_step", lambda: order, lambda _: Complete("disk metadata erased")
        )

    def _announce(self, walk: Walk, disks: str) -> None:
        client = self._ramdisk.client(walk.node)
        listed = client.do("clean.get_clean_steps", {"node": agent_node(walk.node), "ports": []})
        walk.note("destructive", f"erasing the metadata of {disks}")
        walk.remember(steps=listed["hardware_manager_version"])


def agent_node(node: Node, root_device: dict[str, Any] | None = None) -> dict[str, Any]:
    """A node as the agent wants it; it keeps this document and takes the root device hints from it."""
    return {
        "uuid": node.uuid,
        "properties": {},
        "instance_info": {"root_device": root_device} if root_device else {},
        "driver_internal_info": {},
    }
