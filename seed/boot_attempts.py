"""A node's journal, cut into attempts to boot: from one power-on to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pxe.diagnosis.attempt import ORDER, Way
from pxe.diagnosis.clients import is_firmware
from pxe.milestones import KINDS, Hop, Milestone
from seed.model import Event, NextBoot, Run, RunState

# What a step waits for, by the way that it sends the machine.
AWAITED: dict[Way, dict[str, Hop]] = {
    Way.RAMDISK: {"boot_ramdisk": Hop.HEARTBEAT, "write_image": Hop.IMAGE},
    Way.DISK: {"boot_from_disk": Hop.REBOOT, "first_boot": Hop.HOME},
    Way.HOST: {"boot_host_ramdisk": Hop.HOME},
}
BOOTING = {step: way for way, steps in AWAITED.items() for step in steps}

_ON = ("power.on", "power.disk")
_MEDIA = ("boot.media", "boot.media-fetched")  # before it is switched on, and some BMCs fetch at once
_PUT_ON = ("was switched on", "power-cycling", "resetting")  # outside of a verb that boots
_PUT_OFF = ("was switched off", "switching off", "asking the operating system")
_TOLD = ("power.drift", "destructive")


@dataclass
class Boot:
    """The events of one attempt, in order, and the runs whose steps were taken meanwhile."""

    events: list[Event] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    ended: Event | None = None

    @property
    def milestones(self) -> tuple[Milestone, ...]:
        """What diagnosis reads."""
        return tuple(map(milestone, self.events))

    def way(self, otherwise: NextBoot) -> Way:
        """Where it was to lead: as the steps say, as what it fetched shows, else as it stands now."""
        kinds = {event.kind for event in self.events}
        if "power.disk" in kinds:
            return Way.DISK
        if self.steps:
            return BOOTING[self.steps[0]]
        if otherwise is NextBoot.HOST:
            return Way.HOST
        return Way.RAMDISK if "boot.kernel" in kinds or otherwise is NextBoot.RAMDISK else Way.DISK

    def reached(self, hop: Hop) -> bool:
        """Whether this hop, or one behind it, was seen."""
        seen = [KINDS.get(event.kind) for event in self.events]
        return any(ORDER[found] >= ORDER[hop] for found in seen if found)

    def takes(self, event: Event) -> None:
        """Keep what the event tells of this boot."""
        if event.kind in KINDS or event.kind in _TOLD:
            self.events.append(event)
        step = step_of(event)
        if step in BOOTING:
            self.steps.append(step)
        ours = event.kind.startswith(("step.", "power.", "boot.media"))
        if event.run and ours and event.run not in self.runs:
            self.runs.append(event.run)


def split(events: Iterable[Event]) -> list[Boot]:
    """The attempts in these events of one node, oldest first."""
    boots: list[Boot] = []
    for event in events:
        last = boots[-1] if boots and not boots[-1].ended else None
        if _ends(event):
            if last:
                last.ended = event
            continue
        if _starts(event, last):
            if last:
                last.ended = event
            boots.append(last := Boot())
        if last:
            last.takes(event)
    return boots


def until(run: Run | None, way: Way, reached: Hop | None) -> Hop | None:
    """The hop that the run waits for, or waited for when it failed; None: nobody waits."""
    if run is None or run.state is RunState.ABORTED:
        return None
    step = (run.step or "").partition(":")[0]
    return AWAITED[way].get(step, reached)


def milestone(event: Event) -> Milestone:
    """An event as what it tells of a boot; of a failed step, without what was concluded then."""
    data = event.data
    message = f"{data['step']}: {data['reason']}" if "reason" in data and "step" in data else event.message
    return Milestone(event.kind, message, data.get("mac"), data.get("address"), event.at, data)


def step_of(event: Event) -> str | None:
    """The step that a step's event is about; its message begins with it."""
    if not event.kind.startswith("step."):
        return None
    return str(event.data.get("step") or event.message.partition(":")[0]).partition(":")[0]


def _ends(event: Event) -> bool:
    return event.kind == "power.off" or (event.kind in _TOLD and event.message.startswith(_PUT_OFF))


def _starts(event: Event, last: Boot | None) -> bool:
    if event.kind in (*_ON, "boot.media"):
        return last is None or not _not_on_yet(last, event)
    if event.kind in _TOLD:
        return event.message.startswith(_PUT_ON)
    if event.kind in ("step.failed", "step.retry"):
        way = BOOTING.get(step_of(event) or "")
        return way is not None and (last is None or _of_another(event, way, last))
    if not event.kind.startswith("boot."):
        return False
    return last is None or _began_anew(event, last)


def _not_on_yet(last: Boot, event: Event) -> bool:
    """So far there were only refusals, or the same power-on told in other words."""
    kinds = {seen.kind for seen in last.events}
    return event.run in last.runs and kinds <= {"step.retry", "step.failed", *_ON, *_MEDIA}


def _of_another(event: Event, way: Way, last: Boot) -> bool:
    """Whether a machine that was up was to be booted once more, and its BMC refused."""
    if step_of(event) not in ("boot_ramdisk", "boot_from_disk", "boot_host_ramdisk"):
        return False
    return event.run not in last.runs or (
        way is not Way.RAMDISK and last.way(NextBoot.RAMDISK) is Way.RAMDISK
    )


def _began_anew(event: Event, last: Boot) -> bool:
    """A reset that nobody asked for: the firmware asks again, after a kernel was running."""
    asks = event.kind == "boot.dhcpdiscover" and is_firmware(milestone(event))
    return asks and last.reached(Hop.KERNEL)
