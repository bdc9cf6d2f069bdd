"""Make firmware know the new system: UEFI needs a boot entry, BIOS whole-disk images bring all they need."""

from __future__ import annotations

from datetime import timedelta

from seed.step import Complete, Result, Walk
from seed.steps.agent_command import AgentCommand
from seed.steps.deploy_order import after

PARAMETERS = {
    "root_uuid": None,
    "efi_system_part_uuid": None,
    "prep_boot_part_uuid": None,
    "target_boot_mode": "uefi",
}


class InstallBootloader:
    """The agent finds the loader on the EFI system partition and writes the entry with efibootmgr."""

    name = "install_bootloader"
    timeout = timedelta(minutes=15)
    abortable = False
    needs: str | None = None

    def __init__(self, agent: AgentCommand) -> None:
        self._agent = agent

    def execute(self, walk: Walk) -> Result:
        then = after(walk, self.name)
        if walk.node.boot_mode != "uefi":
            return Complete("nothing to do for BIOS", then=then)
        return self._agent.run(
            walk,
            "image.install_bootloader",
            lambda: PARAMETERS,
            lambda _: Complete("UEFI boot entry written", then=then),
        )
