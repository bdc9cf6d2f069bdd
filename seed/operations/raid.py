"""RAID controllers with their drives and volumes, and what would become of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hwdrivers.bmc import BMC
from hwdrivers.interfaces import Interface
from hwdrivers.offers import offered
from seed.operations.operation import Arguments, Operation
from seed.operations.raid_plan import CannotPlan, plan
from seed.operations.target_raid import TargetRAID


class Wanted(Arguments):
    target: TargetRAID


def _show(bmc: BMC, _: Arguments) -> dict[str, Any]:
    raid = offered(bmc.address, Interface.RAID, bmc.raid)
    return {"controllers": [asdict(controller) for controller in raid.controllers()]}


def _plan(bmc: BMC, wanted: Wanted) -> dict[str, Any]:
    """What `raid apply` would do; changes nothing."""
    raid = offered(bmc.address, Interface.RAID, bmc.raid)
    try:
        made = plan(raid.controllers(), wanted.target.logical_disks)
    except CannotPlan as error:
        return {"impossible": str(error), "delete": [], "create": [], "keep": [], "lost": []}
    return {"impossible": None, **made.view()}


SHOW = Operation(_show)
PLAN = Operation(_plan, Wanted)
