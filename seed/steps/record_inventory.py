"""Keep what the agent found in the machine."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from seed.ramdisk import Ramdisk
from seed.step import Complete, Failed, Result, Waiting, Walk
from seed.steps.identity import mismatch


class RecordInventory:
    """Disks with serials, NICs with MACs, CPU and memory become the node's inventory and ports."""

    name = "record_inventory"
    timeout = timedelta(minutes=5)
    abortable = True
    needs: str | None = None

    def __init__(self, ramdisk: Ramdisk) -> None:
        self._ramdisk = ramdisk

    def execute(self, walk: Walk) -> Result:
        agent = self._ramdisk.agent(walk.node)
        if agent is None or agent.report is None:
            return Waiting("the agent's report")
        found = agent.report
        wrong = mismatch(walk.node, found)
        if wrong:
            return Failed(wrong)
        facts: dict[str, Any] = {"inventory": found}
        macs = tuple(nic.mac for nic in found.nics if nic.mac)
        facts["macs"] = tuple(dict.fromkeys((*walk.node.macs, *macs)))
        facts["boot_mode"] = found.boot_mode.value if found.boot_mode else walk.node.boot_mode
        facts |= {
            key: value
            for key, value in (("vendor", found.vendor), ("model", found.product), ("serial", found.serial))
            if value and not getattr(walk.node, key)
        }
        parts = f"{len(found.disks)} disks, {len(found.nics)} NICs"
        return Complete(f"{found.cpu.count} CPUs, {found.memory_mib} MiB, {parts}", facts)
