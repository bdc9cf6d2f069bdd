"""Stage BIOS settings, or the factory's; they count from the machine's next boot."""

from __future__ import annotations

from datetime import timedelta

from hwdrivers.interfaces import BIOS, Interface
from hwdrivers.offers import offered
from seed.bmcs import BMCs
from seed.operations.bios import WrongSetting, differences
from seed.step import Complete, Failed, Result, Walk
from seed.steps.bmc_identity import stranger

COUNTS = "counts from the next boot"


class ApplyBIOS:
    """A wrong setting can keep a machine from booting: the journal knows first, with the values before."""

    name = "apply_bios"
    timeout = timedelta(minutes=10)
    abortable = False
    needs: str | None = None

    def __init__(self, bmcs: BMCs) -> None:
        self._bmcs = bmcs

    def execute(self, walk: Walk) -> Result:
        with self._bmcs.open(walk.node) as bmc:
            if wrong := stranger(walk.node, bmc.identify()):
                return Failed(wrong)
            bios = offered(bmc.address, Interface.BIOS, bmc.bios)
            if "values" not in walk.run.args:
                return self._reset(walk, bios)
            try:
                return self._set(walk, bios)
            except WrongSetting as error:
                return Failed(f"nothing was changed: {error}")

    def _reset(self, walk: Walk, bios: BIOS) -> Result:
        walk.note("destructive", f"staging the factory's BIOS settings on {walk.node.name}")
        bios.reset()
        return Complete(f"factory settings are staged: {COUNTS}")

    def _set(self, walk: Walk, bios: BIOS) -> Result:
        known = bios.settings()
        wanted = differences(known, walk.run.args["values"])
        if not wanted:
            return Complete("all settings are so already, or staged")
        before = {setting.name: setting.value for setting in known if setting.name in wanted}
        changes = ", ".join(f"{name} {before[name]} → {value}" for name, value in wanted.items())
        walk.note("destructive", f"staging BIOS settings on {walk.node.name}: {changes}", before=before)
        bios.apply(wanted)
        return Complete(f"{changes}; {COUNTS}")
