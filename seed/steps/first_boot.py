"""Wait until the operating system says that it is up (cloud-init's phone_home)."""

from __future__ import annotations

from datetime import timedelta

from hwdrivers.bmc import PowerState
from pxe.milestones import StepFault
from seed.bmcs import BMCs
from seed.instances import Instances
from seed.step import Complete, Failed, Result, Waiting, Walk


class FirstBoot:
    """'active' means that the host runs, not only that power was switched on."""

    name = "first_boot"
    timeout = timedelta(minutes=20)
    abortable = True
    needs: str | None = None

    def __init__(self, bmcs: BMCs, instances: Instances) -> None:
        self._bmcs = bmcs
        self._instances = instances

    def execute(self, walk: Walk) -> Result:
        if self._instances.is_home(walk.node):
            self._instances.settle(walk.node)
            return Complete("the operating system called home")
        with self._bmcs.open(walk.node) as bmc:
            if bmc.power_state() is PowerState.OFF:
                words = "the machine is off, so its operating system cannot have started"
                return Failed(words, fault=StepFault.NO_POWER)
        return Waiting("the operating system to call home", timedelta(seconds=30))
