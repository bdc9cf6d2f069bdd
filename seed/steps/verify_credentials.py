"""Log in to the BMC and keep what it says about itself."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from hwdrivers.bmc import BMC
from hwdrivers.errors import BMCError
from hwdrivers.told import told_uuid
from seed.bmcs import BMCs
from seed.step import Complete, Result, Walk


class VerifyCredentials:
    """One log-in, one look; a wrong password is tried once."""

    name = "verify_credentials"
    timeout = timedelta(minutes=5)
    abortable = True
    needs: str | None = None

    def __init__(self, bmcs: BMCs) -> None:
        self._bmcs = bmcs

    def execute(self, walk: Walk) -> Result:
        with self._bmcs.open(walk.node) as bmc:
            facts = _facts(bmc)
            facts["abilities"] = {name.value: asdict(can) for name, can in bmc.abilities().items()}
            macs = bmc.macs()
        if macs and not walk.node.macs:
            facts["macs"] = macs
        return Complete(f"{walk.node.bmc} accepts credentials '{walk.node.credentials}'", facts)


def _facts(bmc: BMC) -> dict[str, Any]:
    """What the BMC tells; what it does not tell overwrites nothing."""
    identity, mode = bmc.identify(), bmc.boot_mode()
    told = {
        "vendor": identity.vendor,
        "model": identity.model,
        "serial": identity.serial,
        "bmc_firmware": identity.firmware,
        "power": identity.power.value if identity.power else None,
        "boot_mode": mode.value if mode else None,
        "system_uuid": told_uuid(identity.uuid),
        "secure_boot": _secure_boot(bmc),
    }
    return {key: value for key, value in told.items() if value is not None}


def _secure_boot(bmc: BMC) -> bool | None:
    """Whether UEFI takes signed loaders alone; None where the BMC does not tell, as IPMI never does."""
    try:
        return bmc.secure_boot.enabled() if bmc.secure_boot else None
    except BMCError:
        return None
