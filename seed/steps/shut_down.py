"""Have a host's operating system shut itself down, so that it loses nothing; one that does not is cut off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hwdrivers.bmc import BMC, PowerAction, PowerState
from hwdrivers.errors import Unsupported
from hwdrivers.power import ensure_power
from seed.bmcs import BMCs
from seed.model import NextBoot
from seed.step import Complete, Result, Waiting, Walk

PATIENCE = timedelta(minutes=2)
OFF = {"power": PowerState.OFF.value}


class ShutDown:
    """The power button, pressed once; a ramdisk that runs instead of the host has nothing to lose."""

    name = "shut_down"
    timeout = timedelta(minutes=10)
    abortable = True
    needs: str | None = None

    def __init__(self, bmcs: BMCs, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._bmcs = bmcs
        self._clock = clock

    def execute(self, walk: Walk) -> Result:
        if walk.node.next_boot is NextBoot.RAMDISK:
            return Complete("no host runs there now")
        with self._bmcs.open(walk.node) as bmc:
            if bmc.power_state() is PowerState.OFF:
                return Complete("powered off", OFF)
            if "asked" in walk.memo:
                return self._look(walk, bmc)
            try:
                bmc.request_power(PowerAction.SOFT_OFF)
            except Unsupported:
                return _cut(bmc, "its BMC has no power button to press")
        walk.remember(asked=self._clock().isoformat())
        return Waiting("the operating system to shut down", timedelta(seconds=5))

    def _look(self, walk: Walk, bmc: BMC) -> Result:
        if self._clock() - datetime.fromisoformat(walk.memo["asked"]) < PATIENCE:
            return Waiting("the operating system to shut down", timedelta(seconds=5))
        return _cut(bmc, f"its operating system did not shut down within {PATIENCE.seconds} s")


def _cut(bmc: BMC, why: str) -> Complete:
    ensure_power(bmc, PowerState.OFF)
    return Complete(f"power was cut: {why}", OFF)
