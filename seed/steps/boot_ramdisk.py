"""Boot the machine into the deploy ramdisk, by network or virtual media, until its agent is ready."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hwdrivers.bmc import BMC, BootDevice, PowerState
from hwdrivers.errors import BMCError
from hwdrivers.power import ensure_power
from pxe.images import ImageError
from pxe.milestones import StepFault
from seed.bmcs import BMCs
from seed.images import Images
from seed.media import BootMedia
from seed.model import BootInterface, Node
from seed.ramdisk import Ramdisk
from seed.step import Complete, Failed, Result, Waiting, Walk
from seed.virtual_media import drive, eject, insert


class BootRamdisk:
    """A machine that is in its ramdisk already, with the agent that we know, stays there."""

    name = "boot_ramdisk"
    timeout = timedelta(minutes=20)  # hardware takes 10 minutes to POST, emulated CPUs 2 to boot
    abortable = True
    needs: str | None = "ramdisk boot"

    def __init__(
        self,
        bmcs: BMCs,
        ramdisk: Ramdisk,
        images: Images,
        announce: Callable[[], None],
        media: BootMedia,
        *,
        dhcp: bool = True,
    ) -> None:
        """`announce` tells DHCP about the machine before it asks; `dhcp`: whether this seed answers it."""
        self._bmcs = bmcs
        self._ramdisk = ramdisk
        self._images = images
        self._announce = announce
        self._media = media
        self._dhcp = dhcp

    def execute(self, walk: Walk) -> Result:
        if "power on" in walk.memo:
            return self._look(walk)
        if self._ramdisk.idle(walk.node):
            return Complete("the agent is running already")
        refusal = self._refusal(walk.node)
        if refusal is not None:
            return Failed(refusal)
        try:
            self._images.ramdisk()
            return self._power_on(walk)
        except ImageError as error:
            return Failed(str(error))

    def _refusal(self, node: Node) -> str | None:
        """What cannot go well, before the machine is touched."""
        if not node.macs:
            return (
                "no MAC of this machine is known, so it cannot be told apart when it boots; "
                f"its BMC does not tell any: undercloud node set {node.name} --mac 52:54:00:12:34:56"
            )
        if node.boot_interface is BootInterface.PXE and not self._dhcp:
            return (
                "this seed answers no DHCP (provisioning: dhcp: none), so it boots machines from virtual "
                f"media alone: undercloud node set {node.name} --boot-interface virtual-media "
                "--ramdisk-network FILE"
            )
        return None

    def _power_on(self, walk: Walk) -> Result:
        with self._bmcs.open(walk.node) as bmc:
            by_media = walk.node.boot_interface is BootInterface.VIRTUAL_MEDIA
            if by_media:
                drive(bmc, walk.node.name)
            ensure_power(bmc, PowerState.OFF)
            self._ramdisk.expect(walk.node)  # a ramdisk that was still up cannot take the new token any more
            self._announce()  # GRUB's script lies in a file, which says from now on: the ramdisk
            if by_media:
                self._insert(bmc, walk)
            bmc.set_boot_device(BootDevice.CDROM if by_media else BootDevice.PXE)
            ensure_power(bmc, PowerState.ON)
        walk.note("power.on", f"powered on to boot from {'virtual media' if by_media else 'the network'}")
        walk.remember(**{"power on": True})
        on = {"power": PowerState.ON.value}
        return Waiting("the agent to call home from the ramdisk", timedelta(seconds=30), on)

    def _insert(self, bmc: BMC, walk: Walk) -> None:
        image = self._media.offer(walk.node)
        walk.note("boot.media", "its BMC is told to insert its boot ISO")  # some fetch it before they answer
        insert(drive(bmc, walk.node.name), image)

    def _eject(self, walk: Walk) -> None:
        """What cannot be ejected now is later: the machine runs from memory."""
        image = self._media.url(walk.node)
        if image is None:
            return
        try:
            with self._bmcs.open(walk.node) as bmc:
                eject(bmc, image)
        except BMCError as error:
            walk.note("boot.media-stays", f"its boot ISO is not ejected yet: {error}")
            return
        self._media.withdraw(walk.node, image)

    def _look(self, walk: Walk) -> Result:
        agent = self._ramdisk.agent(walk.node)
        if agent is not None:
            self._eject(walk)
            return Complete(
                f"agent {agent.version} answers at {agent.address}", {"power": PowerState.ON.value}
            )
        with self._bmcs.open(walk.node) as bmc:
            if bmc.power_state() is PowerState.OFF:
                words = "the machine lost power while it was booting the ramdisk"
                return Failed(words, fault=StepFault.NO_POWER)
        return Waiting("the agent to call home from the ramdisk", timedelta(seconds=30))
