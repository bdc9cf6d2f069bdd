"""The instance is gone: what was declared for it is forgotten."""

from __future__ import annotations

from datetime import timedelta

from seed.instances import Instances
from seed.model import NextBoot
from seed.step import Complete, Result, Walk


class ForgetInstance:
    """Moves `deleting` on to `cleaning`; a machine that is decommissioned was cleaned before."""

    name = "forget_instance"
    timeout = timedelta(minutes=1)
    abortable = False
    needs: str | None = None

    def __init__(self, instances: Instances) -> None:
        self._instances = instances

    def execute(self, walk: Walk) -> Result:
        self._instances.forget(walk.node)
        event = "clean" if walk.node.state == "deleting" else None
        gone = {"instance": None, "next_boot": NextBoot.DISK}  # what ran from memory comes back no more
        return Complete("instance forgotten", gone, event=event)
