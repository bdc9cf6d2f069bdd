"""Let time pass between two steps (Ironic's reserved step `wait`)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from seed.ramdisk import Ramdisk
from seed.step import Complete, Result, Waiting, Walk
from seed.wanted_steps import LONGEST_WAIT

BEAT = timedelta(minutes=5)  # the longest pause between two heartbeats


class Wait:
    """As many seconds as were asked for; without a number, until the agent's next heartbeat."""

    name = "wait"
    timeout = timedelta(seconds=LONGEST_WAIT) + BEAT
    abortable = True
    needs: str | None = None

    def __init__(self, ramdisk: Ramdisk, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._ramdisk = ramdisk
        self._clock = clock

    def execute(self, walk: Walk) -> Result:
        seconds = walk.run.args["chosen"][walk.run.argument]["args"].get("seconds")
        began = walk.run.step_started_at
        if seconds is None:
            agent = self._ramdisk.agent(walk.node)
            if agent is not None and agent.heartbeat_at is not None and agent.heartbeat_at > began:
                return Complete("the agent lives")
            return Waiting("the agent's next heartbeat", BEAT)
        left = began + timedelta(seconds=seconds) - self._clock()
        if left <= timedelta():
            return Complete(f"{seconds} s are over")
        return Waiting(f"{seconds} s to pass", left)
