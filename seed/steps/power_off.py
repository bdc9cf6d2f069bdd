"""Switch the machine off, the operating system or the ramdisk with it."""

from __future__ import annotations

from datetime import timedelta

from hwdrivers.bmc import PowerState
from hwdrivers.power import ensure_power
from seed.bmcs import BMCs
from seed.ramdisk import Ramdisk
from seed.step import Complete, Result, Walk


class PowerOff:
    """Destructive for what runs there: only a verb that says so gets here, and the journal knows first."""

    name = "power_off"
    timeout = timedelta(minutes=5)
    abortable = False
    needs: str | None = None

    def __init__(self, bmcs: BMCs, ramdisk: Ramdisk) -> None:
        self._bmcs = bmcs
        self._ramdisk = ramdisk

    def execute(self, walk: Walk) -> Result:
        walk.note("destructive", f"switching off {walk.node.name} for '{walk.run.verb}'")
        self._ramdisk.forget(walk.node)
        with self._bmcs.open(walk.node) as bmc:
            ensure_power(bmc, PowerState.OFF)
        return Complete("powered off", {"power": PowerState.OFF.value})
