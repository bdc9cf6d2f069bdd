"""What firmware tries first."""

from __future__ import annotations

from typing import Any

from hwdrivers.bmc import BMC, BootDevice, BootMode
from seed.operations.operation import Arguments, Operation


class Wanted(Arguments):
    """`mode` None leaves the firmware as it is."""

    device: BootDevice
    mode: BootMode | None = None


def _show(bmc: BMC, _: Arguments) -> dict[str, Any]:
    return {"device": bmc.boot_device(), "mode": bmc.boot_mode()}


def _set(bmc: BMC, wanted: Wanted) -> dict[str, Any]:
    bmc.set_boot_device(wanted.device, wanted.mode)
    return _show(bmc, wanted)


def _words(wanted: Wanted) -> str:
    mode = f" in {wanted.mode} mode" if wanted.mode else ""
    return f"is to boot from {wanted.device} first{mode}"


SHOW = Operation(_show)
SET = Operation(_set, Wanted, _words)
