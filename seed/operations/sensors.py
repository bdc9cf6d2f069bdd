"""What a machine measures."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hwdrivers.bmc import BMC
from hwdrivers.interfaces import Interface
from hwdrivers.offers import offered
from seed.operations.operation import Arguments, Operation


def _read(bmc: BMC, _: Arguments) -> dict[str, Any]:
    sensors = offered(bmc.address, Interface.SENSORS, bmc.sensors)
    return {"sensors": [asdict(sensor) for sensor in sensors.read()]}


READ = Operation(_read)
