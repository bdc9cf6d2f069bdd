"""Power-cycle the machine into what is on its disk, from the ramdisk or whatever it runs."""

from __future__ import annotations

from datetime import timedelta

from hwdrivers.bmc import BootDevice, PowerState
from hwdrivers.power import ensure_power
from seed.bmcs import BMCs
from seed.instances import OFF
from seed.ramdisk import Ramdisk
from seed.step import Complete, Result, Walk


class BootFromDisk:
    """The disks are flushed first, so that switching off loses nothing."""

    name = "boot_from_disk"
    timeout = timedelta(minutes=10)
    abortable = False
    needs: str | None = None

    def __init__(self, bmcs: BMCs, ramdisk: Ramdisk) -> None:
        self._bmcs = bmcs
        self._ramdisk = ramdisk

    def execute(self, walk: Walk) -> Result:
        if "flushed" not in walk.memo and self._ramdisk.agent(walk.node) is not None:
            self._flush(walk)
        self._ramdisk.forget(walk.node)
        with self._bmcs.open(walk.node) as bmc:
            if "off" not in walk.memo:  # else the seed restarted, and the system may be booting already
                ensure_power(bmc, PowerState.OFF)
                walk.note(OFF, "powered off, to boot from disk next")
                walk.remember(off=True)
            bmc.set_boot_device(BootDevice.DISK)
            ensure_power(bmc, PowerState.ON)
        walk.note("power.disk", "powered on to boot from disk")
        return Complete("power-cycled into the operating system", {"power": PowerState.ON.value})

    def _flush(self, walk: Walk) -> None:
        self._ramdisk.client(walk.node).do("standby.sync", {})
        walk.remember(flushed=True)
