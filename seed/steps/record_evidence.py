"""Write down for good what was erased: which disks, by which means, when, and for whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hwdrivers.inventory import Disk, Inventory
from seed.agent_steps import name_of
from seed.ramdisk import Ramdisk
from seed.step import Complete, Failed, Result, Walk
from seed.steps.identity import disks_of

EVIDENCE = "decommission.evidence"


class RecordEvidence:
    """The disks are those that the agent found in the boot in which it erased them."""

    name = "record_evidence"
    timeout = timedelta(minutes=5)
    abortable = False
    needs: str | None = None

    def __init__(self, ramdisk: Ramdisk) -> None:
        self._ramdisk = ramdisk

    def execute(self, walk: Walk) -> Result:
        agent = self._ramdisk.agent(walk.node)
        if agent is None or agent.report is None:
            return Failed("the agent is gone, and with it what it found; ask for the verb again")
        method, said = _erasure(walk)
        missed = _missed(agent.report, said)
        if missed:
            return Failed(f"the agent did not say that it erased {', '.join(missed)}")
        if "recorded" not in walk.memo:
            disks = [_entry(disk, method, said) for disk in agent.report.disks]
            words = f"{walk.node.serial or walk.node.name}: {method} erased {disks_of(agent.report)}"
            walk.memo["recorded"] = True  # saved with the event
            walk.note(EVIDENCE, words, who=walk.run.who, agent=agent.version, disks=disks)
        return Complete(f"evidence recorded for {len(agent.report.disks)} disks")


def _erasure(walk: Walk) -> tuple[str, Any]:
    """What erased the disks, and what the agent answered when it was done."""
    [(key, step)] = walk.run.args["chosen"].items()
    return name_of(step), walk.run.args["results"][key]


def _missed(report: Inventory, said: Any) -> list[str]:
    """Disks of the report that are not in the agent's answer, where it lists them as `erase_devices` does."""
    return [disk.name for disk in report.disks if isinstance(said, dict) and disk.name not in said]


def _entry(disk: Disk, method: str, said: Any) -> dict[str, Any]:
    answer = said.get(disk.name) if isinstance(said, dict) else None
    named = {"name": disk.name, "serial": disk.serial, "size_bytes": disk.size_bytes}
    return {**named, "method": method, "answer": answer}
