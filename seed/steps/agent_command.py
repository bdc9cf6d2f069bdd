"""What all steps share that wait for a long command of the agent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hwdrivers.bmc import PowerState
from hwdrivers.errors import BMCError
from pxe.milestones import StepFault
from seed.advance import duration
from seed.agent import AgentUnreachable, Command
from seed.bmcs import BMCs
from seed.ramdisk import Ramdisk
from seed.step import Complete, Failed, Result, Waiting, Walk

SILENCE = timedelta(minutes=3)  # a busy machine may leave requests unanswered this long
SELDOM = timedelta(seconds=10)  # the agent calls when it is done, though not within 5 s of its last call
OFTEN = timedelta(seconds=3)
MIB = 1024**2


class AgentCommand:
    """Have the agent do one long thing once, and know what became of it when it falls silent."""

    def __init__(
        self,
        bmcs: BMCs,
        ramdisk: Ramdisk,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bmcs = bmcs
        self._ramdisk = ramdisk
        self._clock = clock

    def run(
        self,
        walk: Walk,
        name: str,
        params: Callable[[], dict[str, Any]],
        done: Callable[[Command], Result],
        limit: timedelta | None = None,
        title: str | None = None,
    ) -> Result:
        """Waiting while it runs, `done(command)` when it succeeded, Failed with the agent's own words.

        `params` is called only when the agent has not been told yet. `limit`: how long it may be seen
        running, where that is less than the step's whole time. `title`: the command in words.
        """
        title = title or name
        try:
            command = self._ramdisk.once(walk, name, params)
        except AgentUnreachable as error:
            return self._silent(walk, title, error)
        if command.running:
            return self._running(walk, title, command, limit)
        if command.succeeded:
            return done(command)
        if command.mismatched and walk.run.steps.count(walk.run.step or "") == 1:
            again = walk.run.steps[walk.run.cursor : walk.run.cursor + 1]
            return Complete("the agent is not the one that listed its steps: it is asked anew", then=again)
        return Failed(f"the agent failed at {title}: {command.error or command.status}")

    def _running(self, walk: Walk, title: str, command: Command, limit: timedelta | None) -> Result:
        now = self._clock()
        since = datetime.fromisoformat(walk.memo.get("since") or now.isoformat())
        walk.remember(heard=now.isoformat(), since=since.isoformat(), silent=None)
        if limit is not None and now - since > limit:
            return Failed(f"the agent is still at {title} after {duration(limit)}")
        far = progress_of(command)
        return Waiting(f"the agent to finish {title}{far}", OFTEN if far else SELDOM)

    def _silent(self, walk: Walk, title: str, error: AgentUnreachable) -> Result:
        """A machine without power explains the silence; one with power gets some time."""
        heard = walk.memo.get("heard")
        when = f"{title} was running at {datetime.fromisoformat(heard):%H:%M:%S} UTC" if heard else str(error)
        try:
            with self._bmcs.open(walk.node) as bmc:
                if bmc.power_state() is PowerState.OFF:
                    reason = f"the machine lost power; {when}. Check its power supply, then ask again"
                    return Failed(reason, facts={"power": PowerState.OFF.value}, fault=StepFault.AGENT_GONE)
        except BMCError as trouble:
            when = f"{when}; its BMC neither: {trouble}"
        now = self._clock()
        since = datetime.fromisoformat(walk.memo.get("silent") or now.isoformat())
        walk.remember(silent=since.isoformat())
        if now - since > SILENCE:
            words = f"the agent is silent for {SILENCE.seconds} s; {when}"
            return Failed(words, fault=StepFault.AGENT_GONE)
        return Waiting(f"the agent to answer again; {when}")


def progress_of(command: Command) -> str:
    """ ", 12 of 236 MiB" where the agent tells; our hardware manager does, while it writes an image."""
    match command.result:
        case {"progress": {"bytes": int(count), "of": int(size)}}:
            return f", {count // MIB} of {size // MIB} MiB"
    return ""
