"""Power the machine off after work in the ramdisk, unless it is kept warm for the next verb."""

from __future__ import annotations

from datetime import timedelta

from hwdrivers.bmc import PowerState
from hwdrivers.power import ensure_power
from seed.bmcs import BMCs
from seed.ramdisk import Ramdisk
from seed.step import Complete, Result, Walk


class LeaveRamdisk:
    """With `keep` (fast track) the ramdisk stays up, and the next verb needs no boot."""

    name = "leave_ramdisk"
    timeout = timedelta(minutes=5)
    abortable = True
    needs: str | None = None

    def __init__(self, bmcs: BMCs, ramdisk: Ramdisk, *, keep: bool) -> None:
        self._bmcs = bmcs
        self._ramdisk = ramdisk
        self._keep = keep

    def execute(self, walk: Walk) -> Result:
        if self._keep and self._ramdisk.agent(walk.node) is not None:
            return Complete("the ramdisk stays up for the next verb (fast_track)")
        with self._bmcs.open(walk.node) as bmc:
            ensure_power(bmc, PowerState.OFF)
        self._ramdisk.forget(walk.node)
        return Complete("powered off", {"power": PowerState.OFF.value})
