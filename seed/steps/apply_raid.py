"""Bring a machine's RAID volumes to what is wanted, one deletion or creation after the other."""

from __future__ import annotations

from datetime import timedelta

from hwdrivers.bmc import BMC
from hwdrivers.errors import ProtocolError
from hwdrivers.interfaces import RAID, Interface, TaskState
from hwdrivers.offers import offered
from seed.bmcs import BMCs
from seed.operations.raid_plan import CannotPlan, Creation, Deletion, RAIDPlan, plan
from seed.operations.target_raid import GIB, TargetRAID
from seed.step import Complete, Failed, Result, Waiting, Walk
from seed.steps.bmc_identity import stranger

POLL = timedelta(seconds=5)


class ApplyRAID:
    """Planned anew each time from what is there, so a seed that was restarted goes on where the disks are.

    Nothing is lost that nobody agreed to lose: what was told before is compared with what is found now.
    """

    name = "apply_raid"
    timeout = timedelta(hours=2)
    abortable = False
    needs: str | None = None

    def __init__(self, bmcs: BMCs) -> None:
        self._bmcs = bmcs

    def execute(self, walk: Walk) -> Result:
        with self._bmcs.open(walk.node) as bmc:
            if waits := self._task(walk, bmc):
                return waits
            if wrong := stranger(walk.node, bmc.identify()):
                return Failed(wrong)
            raid = offered(bmc.address, Interface.RAID, bmc.raid)
            try:
                return self._go_on(walk, raid)
            except CannotPlan as error:
                return Failed(f"nothing more was changed: {error}")

    def _task(self, walk: Walk, bmc: BMC) -> Result | None:
        """None: there is no job to wait for any more."""
        monitor = walk.memo.get("monitor")
        if monitor is None:
            return None
        doing = walk.memo["done"][-1]
        try:
            task = offered(bmc.address, Interface.FIRMWARE, bmc.firmware).progress(monitor)
        except ProtocolError:  # it is forgotten, as by a BMC that restarted: the volumes tell
            task = TaskState(done=True)
        if not task.done:
            percent = "" if task.percent is None else f" ({task.percent} %)"
            return Waiting(f"the BMC to {doing}{percent}", POLL)
        walk.remember(monitor=None)
        return Failed(f"the BMC failed to {doing}: {task.failed}") if task.failed else None

    def _go_on(self, walk: Walk, raid: RAID) -> Result:
        target = TargetRAID.model_validate(walk.run.args["target"])
        while True:
            made = plan(raid.controllers(), target.logical_disks)
            if unexpected := set(made.lost).difference(walk.run.args["lost"]):
                words = ", ".join(sorted(unexpected))
                return Failed(f"nothing more was changed: nobody agreed to lose {words}; look, and ask again")
            actions: list[Deletion | Creation] = [*made.delete, *made.create]
            if not actions:
                return Complete(_outcome(made, walk))
            if str(actions[0]) in walk.memo.get("done", ()):
                return Failed(
                    f"the BMC says that it did {actions[0]}, and it is not so: does it take a boot?"
                )
            if self._do(walk, raid, actions[0]):
                return Waiting(f"the BMC to {actions[0]}", POLL)

    def _do(self, walk: Walk, raid: RAID, action: Deletion | Creation) -> bool:
        """Whether the BMC is at it; else it has done it."""
        walk.note("destructive", f"{action} on {walk.node.name}", controller=action.controller)
        if isinstance(action, Deletion):
            task = raid.delete(action.controller, action.volume.id or action.volume.name)
        else:
            task = raid.create(action.controller, action.volume)
        done = [*walk.memo.get("done", ()), str(action)]
        walk.remember(done=done, monitor=task.monitor if task else None)
        return task is not None


def _outcome(made: RAIDPlan, walk: Walk) -> str:
    done = "; ".join(walk.memo.get("done", ())) or "all volumes are as wanted already"
    if made.root is None:
        return done
    size = f" of {made.root.size_bytes / GIB:.0f} GiB" if made.root.size_bytes else ""
    return f"{done}; the root volume is {made.root.name}{size}"
