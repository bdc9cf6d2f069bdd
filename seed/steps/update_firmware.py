"""Have a BMC fetch firmware and write it; its own task tells how far it is, however long that takes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hwdrivers.bmc import BMC
from hwdrivers.errors import AccessDenied, BMCError, Busy, Unreachable
from hwdrivers.interfaces import Component, Firmware, Interface
from hwdrivers.offers import offered
from seed.bmcs import BMCs
from seed.step import Complete, Failed, Result, Waiting, Walk
from seed.steps.bmc_identity import stranger

POLL = timedelta(seconds=10)


class UpdateFirmware:
    """The BMC is told once; the task monitor is remembered and outlives the seed. BMCs restart meanwhile."""

    name = "update_firmware"
    timeout = timedelta(hours=2)
    abortable = False
    needs: str | None = None

    def __init__(self, bmcs: BMCs) -> None:
        self._bmcs = bmcs

    def execute(self, walk: Walk) -> Result:
        if "monitor" in walk.memo:
            return self._follow(walk)
        with self._bmcs.open(walk.node) as bmc:
            if wrong := stranger(walk.node, bmc.identify()):
                return Failed(wrong)
            return self._begin(walk, bmc)

    def _begin(self, walk: Walk, bmc: BMC) -> Result:
        firmware = offered(bmc.address, Interface.FIRMWARE, bmc.firmware)
        there = firmware.components()
        if "asked" in walk.memo:
            return self._doubt(walk, there)
        image, targets = walk.run.args["image"], walk.run.args["targets"]
        if wrong := _refusal(there, targets):
            return Failed(f"nothing was changed: {wrong}")
        what = f"{', '.join(targets) or 'whatever fits'} of {walk.node.name} from {image}"
        walk.note("destructive", f"updating firmware: {what}", before=_versions(there))
        walk.remember(asked=True, before=_versions(there))
        try:
            task = firmware.update(image, targets)
        except (Busy, Unreachable):  # it did not take the request
            del walk.memo["asked"]
            walk.remember()
            raise
        if task is None:
            return Complete(_outcome(walk, firmware.components()))
        walk.remember(monitor=task.monitor)
        return Waiting(f"{what}: begun", POLL)

    def _follow(self, walk: Walk) -> Result:
        try:
            with self._bmcs.open(walk.node) as bmc:
                return self._look(walk, offered(bmc.address, Interface.FIRMWARE, bmc.firmware))
        except AccessDenied:
            raise
        except BMCError as error:
            if error.retryable:
                return Waiting("the BMC to answer again; restarting is part of an update", POLL)
            raise

    def _look(self, walk: Walk, firmware: Firmware) -> Result:
        try:
            task = firmware.progress(walk.memo["monitor"])
        except BMCError as error:
            if error.retryable or isinstance(error, AccessDenied):
                raise
            # Many BMCs forget their tasks when they restart into the new firmware.
            return self._doubt(walk, firmware.components(), f"its task is gone ({error})")
        if not task.done:
            percent = "" if task.percent is None else f" ({task.percent} %)"
            return Waiting(f"the BMC to write the firmware{percent}", POLL)
        if task.failed:
            return Failed(f"the BMC failed at it: {task.failed}")
        return Complete(_outcome(walk, firmware.components()))

    def _doubt(
        self, walk: Walk, there: Sequence[Component], why: str = "the seed ended while it was asked"
    ) -> Result:
        """The versions tell what the task no longer does."""
        if _changes(walk, there):
            return Complete(_outcome(walk, there))
        return Failed(f"not known whether the update took place: {why}, and no version has changed yet; look")


def _refusal(there: Sequence[Component], targets: Sequence[str]) -> str | None:
    known = {component.id: component for component in there}
    for target in targets:
        if target not in known:
            return f"there is no component '{target}'; there are: {', '.join(known) or 'none'}"
        if known[target].updateable is False:
            return f"component '{target}' cannot be updated"
    return None


def _versions(components: Sequence[Component]) -> dict[str, str | None]:
    return {component.id: component.version for component in components}


def _changes(walk: Walk, now: Sequence[Component]) -> list[str]:
    before = walk.memo.get("before") or {}
    found = [(component, before.get(component.id)) for component in now]
    return [f"{c.id} {was} → {c.version}" for c, was in found if was is not None and c.version != was]


def _outcome(walk: Walk, now: Sequence[Component]) -> str:
    changed = _changes(walk, now)
    return ", ".join(changed) or "done; no version has changed yet: it may count from the next boot"
