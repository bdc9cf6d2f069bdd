"""The light that shows which machine is meant."""

from __future__ import annotations

from typing import Any

from hwdrivers.bmc import BMC
from hwdrivers.interfaces import LED, Interface
from hwdrivers.offers import offered
from seed.operations.operation import Arguments, Operation


class Wanted(Arguments):
    on: bool


def _led(bmc: BMC) -> LED:
    return offered(bmc.address, Interface.LED, bmc.led)


def _status(bmc: BMC, _: Arguments) -> dict[str, Any]:
    return {"lit": _led(bmc).lit()}


def _set(bmc: BMC, wanted: Wanted) -> dict[str, Any]:
    _led(bmc).set(wanted.on)
    return {"lit": wanted.on}


STATUS = Operation(_status)
SET = Operation(_set, Wanted, lambda wanted: f"has its identify LED switched {'on' if wanted.on else 'off'}")
