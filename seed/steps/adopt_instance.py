"""Take over a host that runs already: its instance is recorded as declared, and nothing is written."""

from __future__ import annotations

from datetime import timedelta

from hwdrivers.bmc import PowerState
from seed.bmcs import BMCs
from seed.instances import Instances, NotDeployable
from seed.step import Complete, Failed, Result, Walk


class AdoptInstance:
    """Only a person can know what runs there; what can be checked is that the machine is on."""

    name = "adopt_instance"
    timeout = timedelta(minutes=5)
    abortable = True
    needs: str | None = None

    def __init__(self, bmcs: BMCs, instances: Instances) -> None:
        self._bmcs = bmcs
        self._instances = instances

    def execute(self, walk: Walk) -> Result:
        try:
            instance = self._instances.adopted(walk.node)
        except NotDeployable as error:
            return Failed(str(error))
        with self._bmcs.open(walk.node) as bmc:
            power = bmc.power_state()
        if power is not PowerState.ON:
            return Failed(
                f"the machine is '{power}', so no host runs there: switch it on, or deploy instead",
                facts={"power": power.value},
            )
        facts = {"instance": instance, "power": power.value}
        return Complete(f"'{instance.hostname}' is taken over as it is", facts)
