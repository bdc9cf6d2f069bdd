"""What firmware a machine has."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hwdrivers.bmc import BMC
from hwdrivers.interfaces import Interface
from hwdrivers.offers import offered
from seed.operations.operation import Arguments, Operation


def _list(bmc: BMC, _: Arguments) -> dict[str, Any]:
    firmware = offered(bmc.address, Interface.FIRMWARE, bmc.firmware)
    return {"components": [asdict(component) for component in firmware.components()]}


LIST = Operation(_list)
