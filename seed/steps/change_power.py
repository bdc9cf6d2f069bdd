"""Switch a machine on or off, or have it start anew, because an operator asked for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hwdrivers.bmc import BMC, PowerAction, PowerState
from hwdrivers.errors import Busy, Unreachable
from hwdrivers.power import ensure_power
from seed.bmcs import BMCs
from seed.ramdisk import Ramdisk
from seed.step import Complete, Failed, Result, Waiting, Walk
from seed.steps.bmc_identity import stranger

PATIENCE = timedelta(minutes=2)  # for an operating system that shuts itself down, as `shut_down` has it
LOOK = timedelta(seconds=5)
ON = {"power": PowerState.ON.value}
OFF = {"power": PowerState.OFF.value}


class ChangePower:
    """What takes the power from what runs there is destructive: the journal knows first."""

    name = "change_power"
    timeout = timedelta(minutes=10)
    abortable = False
    needs: str | None = None

    def __init__(
        self, bmcs: BMCs, ramdisk: Ramdisk, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._bmcs = bmcs
        self._ramdisk = ramdisk
        self._clock = clock

    def execute(self, walk: Walk) -> Result:
        ways = {
            "on": self._on,
            "off": self._off,
            "soft": self._soft,
            "cycle": self._cycle,
            "reset": self._reset,
        }
        with self._bmcs.open(walk.node) as bmc:
            if wrong := stranger(walk.node, bmc.identify()):
                return Failed(wrong)
            return ways[walk.run.args["action"]](walk, bmc)

    def _on(self, walk: Walk, bmc: BMC) -> Result:
        if bmc.power_state() is PowerState.ON:
            return Complete("is powered on already", ON)
        walk.note("power.on", f"switching {walk.node.name} on, as {walk.run.who} asks")
        ensure_power(bmc, PowerState.ON)
        return Complete("powered on", ON)

    def _off(self, walk: Walk, bmc: BMC) -> Result:
        if bmc.power_state() is PowerState.OFF:
            return Complete("is powered off already", OFF)
        self._announce(walk, "switching off {}")
        ensure_power(bmc, PowerState.OFF)
        return Complete("powered off", OFF)

    def _soft(self, walk: Walk, bmc: BMC) -> Result:
        asked = walk.memo.get("asked")
        if bmc.power_state() is PowerState.OFF:
            return Complete("its operating system shut down" if asked else "is powered off already", OFF)
        if asked is None:
            self._announce(walk, "asking the operating system of {} to shut down")
            bmc.request_power(PowerAction.SOFT_OFF)
            walk.remember(asked=self._clock().isoformat())
        elif self._clock() - datetime.fromisoformat(asked) > PATIENCE:
            return Failed(
                f"its operating system did not shut down within {PATIENCE.seconds} s, and may still; "
                f"`undercloud node power off {walk.node.name}` cuts the power",
                facts=ON,
            )
        return Waiting("the operating system to shut down", LOOK)

    def _cycle(self, walk: Walk, bmc: BMC) -> Result:
        """Off, read back, on, read back; a seed that was restarted does not switch off again."""
        if "off" not in walk.memo:
            was_on = bmc.power_state() is PowerState.ON
            if was_on:
                self._announce(walk, "power-cycling {}")
                ensure_power(bmc, PowerState.OFF)
            walk.remember(off=True, was_on=was_on)
        ensure_power(bmc, PowerState.ON)
        return Complete("power-cycled" if walk.memo["was_on"] else "was powered off: switched on", ON)

    def _reset(self, walk: Walk, bmc: BMC) -> Result:
        """It looks the same before and after, so it is asked for once, and never again on suspicion."""
        if "asked" in walk.memo:
            return Failed("not known whether the reset took place: nobody answered; look, then ask again")
        self._announce(walk, "resetting {}")
        walk.remember(asked=True)
        try:
            bmc.request_power(PowerAction.RESET)
        except (Busy, Unreachable):  # it did not take the request
            del walk.memo["asked"]
            walk.remember()
            raise
        ensure_power(bmc, PowerState.ON)
        return Complete("reset", ON)

    def _announce(self, walk: Walk, words: str) -> None:
        """A ramdisk that runs there ends with the power."""
        walk.note("destructive", f"{words.format(walk.node.name)}, as {walk.run.who} asks")
        self._ramdisk.forget(walk.node)
