"""Boot the machine over the network into the deploy ramdisk, until its agent is ready for commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hwdrivers.bmc import BootDevice, PowerState
from hwdrivers.power import ensure_power
from pxe.images import ImageError
from seed.bmcs import BMCs
from seed.images import Images
from seed.ramdisk import Ramdisk
from seed.step import Complete, Failed, Result, Waiting, Walk


class BootRamdisk:
    """A machine that is in its ramdisk already, with the agent that we know, stays there."""

    name = "boot_ramdisk"
    timeout = timedelta(minutes=20)  # hardware takes 10 minutes to POST, emulated CPUs 2 to boot
    abortable = True
    needs: str | None = "ramdisk boot"

    def __init__(self, bmcs: BMCs, ramdisk: Ramdisk, images: Images, announce: Callable[[], None]) -> None:
        """`announce` tells DHCP about the machine before it asks."""
        self._bmcs = bmcs
        self._ramdisk = ramdisk
        self._images = images
        self._announce = announce

    def execute(self, walk: Walk) -> Result:
        if "power on" in walk.memo:
            return self._look(walk)
        if self._ramdisk.idle(walk.node):
            return Complete("the agent is running already")
        if not walk.node.macs:
            return Failed(
                "no MAC of this machine is known, so it cannot be told apart when it boots; "
                f"its BMC does not tell any: undercloud node set {walk.node.name} --mac 52:54:00:12:34:56"
            )
        try:
            self._images.ramdisk()
        except ImageError as error:
            return Failed(str(error))
        return self._power_on(walk)

    def _power_on(self, walk: Walk) -> Result:
        self._announce()
        with self._bmcs.open(walk.node) as bmc:
            ensure_power(bmc, PowerState.OFF)
            self._ramdisk.expect(walk.node)  # a ramdisk that was still up cannot take the new token any more
            bmc.set_boot_device(BootDevice.PXE)
            ensure_power(bmc, PowerState.ON)
        walk.note("power.on", "powered on to boot from the network")
        walk.remember(**{"power on": True})
        on = {"power": PowerState.ON.value}
        return Waiting("the agent to call home from the ramdisk", timedelta(seconds=30), on)

    def _look(self, walk: Walk) -> Result:
        agent = self._ramdisk.agent(walk.node)
        if agent is not None:
            return Complete(
                f"agent {agent.version} answers at {agent.address}", {"power": PowerState.ON.value}
            )
        with self._bmcs.open(walk.node) as bmc:
            if bmc.power_state() is PowerState.OFF:
                return Failed("the machine lost power while it was booting the ramdisk")
        return Waiting("the agent to call home from the ramdisk", timedelta(seconds=30))
