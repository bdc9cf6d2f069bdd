"""Whether machines have power, as their BMCs say now."""

from __future__ import annotations

from typing import Any

from hwdrivers.bmc import BMC
from seed.operations.operation import Arguments, Operation


def _status(bmc: BMC, _: Arguments) -> dict[str, Any]:
    return {"power": bmc.power_state().value}


STATUS = Operation(_status)
