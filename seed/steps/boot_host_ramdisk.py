"""Boot the machine into its host, which comes over the network and runs from memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hwdrivers.bmc import BootDevice, PowerState
from hwdrivers.power import ensure_power
from seed.bmcs import BMCs
from seed.instances import OFF, Instances
from seed.model import Node
from seed.ramdisk import Ramdisk
from seed.step import Complete, Failed, Result, Waiting, Walk

ON = {"power": PowerState.ON.value}


class BootHostRamdisk:
    """No disk is touched; firmware is told the network for good, since the host is nowhere else."""

    name = "boot_host_ramdisk"
    timeout = timedelta(minutes=30)  # hardware takes 10 minutes to POST, and some images are GiBs
    abortable = True
    needs: str | None = "ramdisk boot"

    def __init__(
        self,
        bmcs: BMCs,
        ramdisk: Ramdisk,
        instances: Instances,
        announce: Callable[[], None],
        *,
        dhcp: bool = True,
    ) -> None:
        """`announce` tells DHCP about the machine before it asks; `dhcp`: whether this seed answers it."""
        self._bmcs = bmcs
        self._ramdisk = ramdisk
        self._instances = instances
        self._announce = announce
        self._dhcp = dhcp

    def execute(self, walk: Walk) -> Result:
        if "power on" in walk.memo:
            return self._look(walk)
        if not self._dhcp:
            return Failed(
                "this seed answers no DHCP (provisioning: dhcp: none), and a host that runs from memory "
                "comes over the network at each boot"
            )
        if not walk.node.macs:
            return Failed(
                "no MAC of this machine is known, so it cannot be told apart when it boots: "
                f"undercloud node set {walk.node.name} --mac 52:54:00:12:34:56"
            )
        return self._power_on(walk)

    def _power_on(self, walk: Walk) -> Result:
        with self._bmcs.open(walk.node) as bmc:
            if "off" not in walk.memo:  # else the seed restarted, and the host may be booting already
                ensure_power(bmc, PowerState.OFF)
                walk.note(OFF, "powered off, to boot its host's ramdisk next")
                walk.remember(off=True)
            self._ramdisk.forget(walk.node)
            self._announce()
            bmc.set_boot_device(BootDevice.PXE, always=True)
            ensure_power(bmc, PowerState.ON)
        walk.note("power.on", "powered on to boot its host's ramdisk from the network")
        walk.remember(**{"power on": True})
        return Waiting(self._awaited(walk.node), timedelta(seconds=30), ON)

    def _look(self, walk: Walk) -> Result:
        node = walk.node
        if self._instances.is_home(node):
            return Complete("the host runs from memory and called home", ON)
        if not _calls_home(node) and self._instances.has_fetched(node):
            return Complete(
                "the host's ramdisk was fetched; nobody tells that it runs (calls_home: false)", ON
            )
        with self._bmcs.open(node) as bmc:
            if bmc.power_state() is PowerState.OFF:
                return Failed("the machine is off, so its host cannot have started")
        return Waiting(self._awaited(node), timedelta(seconds=30))

    def _awaited(self, node: Node) -> str:
        return "the host to call home" if _calls_home(node) else "the machine to fetch its host's ramdisk"


def _calls_home(node: Node) -> bool:
    return node.instance is None or node.instance.calls_home
