"""How nodes boot: from what the journal holds to attempts, their times, and why one does not get there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hwdrivers.bmc import PowerState
from pxe.diagnosis.attempt import Attempt, Usual, Way
from pxe.diagnosis.clients import mode
from pxe.diagnosis.diagnose import diagnose
from pxe.diagnosis.diagnosis import Diagnosis, Verdict
from pxe.milestones import Hop, Milestone
from seed.boot_attempts import BOOTING, Boot, milestone, split, until
from seed.boot_times import LOOKED_AT
from seed.model import Node, Run, RunState
from seed.step import Failed
from seed.store import Transaction
from seed.store.errors import NotFound

BLOCK = 300  # events read at once, from the newest on; a deploy leaves about 40
BLOCKS = 5
STRANGERS = 20
EARLIER = timedelta(minutes=5)  # that a stranger is told only once in; it may have asked just before
NO_TIMES: Mapping[Hop, Usual] = {}


@dataclass(frozen=True)
class Told:
    """An attempt as it is shown: when it began and ended, and the run that waited for it."""

    attempt: Attempt
    began: datetime | None
    ended: datetime | None
    run: Run | None


class Boots:
    """Reads the journal; `dhcp` is the site's mode, `seed` the address that machines hear, at `http_port`."""

    def __init__(
        self,
        dhcp: str = "server",
        uefi_loader: str = "ipxe",
        seed: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        http_port: int = 8080,
    ) -> None:
        self._http_port = http_port
        self._dhcp = dhcp
        self._seed = seed
        self._uefi_loader = uefi_loader
        self._clock = clock

    def of(
        self, tx: Transaction, node: Node, most: int = 1, usual: Mapping[Hop, Usual] = NO_TIMES
    ) -> list[Told]:
        """The newest attempts of a node, the newest first; of one that never booted, an empty one."""
        boots = _newest(tx, node, most) or [Boot()]
        told = [self._told(tx, node, boot, usual) for boot in boots]
        told[-1] = replace(told[-1], attempt=self._now(tx, node, told[-1]))
        for number, later in enumerate(told[1:], 1):
            told[number] = replace(later, attempt=_installed_by(later.attempt, told[number - 1].attempt))
        return told[::-1][:most]

    def why(self, tx: Transaction, run: Run, answer: Failed) -> Diagnosis | None:
        """Why the boot that `run` waits for does not get there, now that its step gave this answer."""
        step = (run.step or "").partition(":")[0]
        if step not in BOOTING:
            return None
        (told,) = self.of(tx, tx.nodes.get(run.node))
        data = {"step": step, "fault": answer.fault}
        failed = Milestone("step.failed", f"{run.step}: {answer.reason}", at=self._clock(), data=data)
        way = BOOTING[step]
        attempt = told.attempt
        if way is not attempt.way or (told.run is not None and told.run.id != run.id):
            attempt = replace(attempt, milestones=())  # refused before anything of this boot was seen
        found = diagnose(
            replace(
                attempt,
                milestones=(*attempt.milestones, failed),
                way=way,
                until=until(run, way, attempt.reached),
                over=True,
            )
        )
        return found if found.verdict is Verdict.STUCK else None

    def _told(self, tx: Transaction, node: Node, boot: Boot, usual: Mapping[Hop, Usual]) -> Told:
        way, run = boot.way(node.next_boot), _waiting(tx, boot)
        failed = run is not None and run.state is RunState.FAILED
        given_up = run.finished_at if run is not None and failed else None
        attempt = Attempt(
            boot.milestones,
            boot.ended.at if boot.ended else given_up or self._clock(),
            node=node.name,
            way=way,
            macs=node.macs,
            system_uuid=node.system_uuid,
            boot_mode=node.boot_mode,
            boot_interface=node.boot_interface.value,
            dhcp=self._dhcp,
            uefi_loader="grub" if node.secure_boot else self._uefi_loader,
            secure_boot=node.secure_boot,
            seed=self._seed,
            http_port=self._http_port,
            usual=usual,
        )
        attempt = replace(
            attempt, until=until(run, way, attempt.reached), over=failed or boot.ended is not None
        )
        began = boot.events[0].at if boot.events else None
        return Told(attempt, began, boot.ended.at if boot.ended else None, run)

    def _now(self, tx: Transaction, node: Node, told: Told) -> Attempt:
        """With what is known of the machine at this moment; it may be off because a run left it so."""
        attempt, waits = told.attempt, told.run is not None and told.run.finished_at is None
        powered = None if node.power is None else node.power == PowerState.ON
        left_off = powered is False and node.expected_power == PowerState.OFF
        if attempt.missing and left_off and not attempt.over and not waits:
            attempt = replace(attempt, until=None)
        return replace(attempt, powered=powered, strangers=_strangers(tx, attempt))


def _newest(tx: Transaction, node: Node, most: int) -> list[Boot]:
    """Reads back until so many attempts are whole; oldest first."""
    events = tx.events.newest(BLOCK, node=node.uuid)
    boots = split(events)
    for _ in range(BLOCKS - 1):
        if len(boots) > most or not events:
            break
        older = tx.events.newest(BLOCK, node=node.uuid, before=events[0].id)
        if not older:
            break
        events = [*older, *events]
        boots = split(events)
    return boots[-most - 1 :]


def _waiting(tx: Transaction, boot: Boot) -> Run | None:
    """The last run of those that were under way which waits for machines to boot."""
    for number in reversed(boot.runs):
        try:
            run = tx.runs.get(number)
        except NotFound:
            continue
        if any(step.partition(":")[0] in BOOTING for step in run.steps):
            return run
    return None


def _strangers(tx: Transaction, attempt: Attempt) -> tuple[Milestone, ...]:
    """Who asked meanwhile and belongs to no node, each once."""
    if attempt.of("boot.dhcpdiscover") or not attempt.milestones or attempt.milestones[0].at is None:
        return ()
    since = attempt.milestones[0].at - EARLIER
    found = tx.events.of_no_node("boot.stranger", since, STRANGERS, LOOKED_AT)
    by_mac = {event.data.get("mac"): event for event in found if event.data.get("mac")}
    unknown = [event for mac, event in by_mac.items() if tx.nodes.by_macs([str(mac)]) is None]
    return tuple(map(milestone, unknown))


def _installed_by(attempt: Attempt, before: Attempt) -> Attempt:
    """A boot from disk that follows the ramdisk which wrote it should be in the same boot mode."""
    if attempt.way is Way.DISK and before.way is Way.RAMDISK:
        return replace(attempt, disk_mode=mode(before))
    return attempt
