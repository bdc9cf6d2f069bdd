"""From the volumes that there are to those that are wanted: what stays, what goes, what is made of which.

Volumes that nobody wants are deleted, so planning again after everything was done finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

from hwdrivers.interfaces import RAIDController, RAIDDisk, RAIDVolume
from seed.operations.target_raid import GIB, LEVELS, LogicalDisk

ALIKE = 0.01  # how much a volume may differ in size from what was asked for: controllers round


class CannotPlan(ValueError):
    """The disks that there are do not make what is wanted; the message says for which volume, and why."""


@dataclass(frozen=True)
class Deletion:
    controller: str
    volume: RAIDVolume

    def __str__(self) -> str:
        return f"delete {self.volume.name}"


@dataclass(frozen=True)
class Creation:
    controller: str
    volume: RAIDVolume

    def __str__(self) -> str:
        return f"create {self.volume.name} (RAID {self.volume.level} of {', '.join(self.volume.disks)})"


@dataclass(frozen=True)
class RAIDPlan:
    """Deletions come first. `lost` names what holds data now, and will not: volumes, and disks by serial."""

    keep: tuple[RAIDVolume, ...]
    delete: tuple[Deletion, ...]
    create: tuple[Creation, ...]
    lost: tuple[str, ...]
    root: RAIDVolume | None = None

    def view(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "keep": [asdict(volume) for volume in self.keep],
            "delete": [asdict(each) for each in self.delete],
            "create": [asdict(each) for each in self.create],
            "lost": list(self.lost),
        }


@dataclass
class _Bench:
    """One controller while volumes are placed; `free` are disks that no volume that stays is on."""

    controller: RAIDController
    free: list[RAIDDisk] = field(default_factory=list)

    def named(self, names: Sequence[str]) -> list[RAIDDisk] | None:
        """These disks, if all of them are here."""
        found = [disk for name in names for disk in self.controller.disks if name in (disk.id, disk.serial)]
        return found if len(found) == len(names) else None


def plan(controllers: Sequence[RAIDController], wanted: Sequence[LogicalDisk]) -> RAIDPlan:
    """What leads from what is there to what is wanted; raises CannotPlan."""
    kept = _kept(controllers, wanted)
    stays = [(controller.id, volume.id) for controller, volume in kept.values()]
    delete = tuple(
        Deletion(controller.id, volume)
        for controller in controllers
        for volume in controller.volumes
        if (controller.id, volume.id) not in stays
    )
    benches = [_bench(controller, stays) for controller in controllers]
    made = {number: _place(wanted[number], benches, number) for number in _order(wanted, kept)}
    root = next((number for number, disk in enumerate(wanted) if disk.is_root_volume), None)
    return RAIDPlan(
        keep=tuple(volume for _, volume in kept.values()),
        delete=delete,
        create=tuple(made[number] for number in sorted(made)),
        lost=tuple(_lost(controllers, delete, [*made.values()])),
        root=None if root is None else kept[root][1] if root in kept else made[root].volume,
    )


def _kept(
    controllers: Sequence[RAIDController], wanted: Sequence[LogicalDisk]
) -> dict[int, tuple[RAIDController, RAIDVolume]]:
    """The volumes that are as wanted already, by which of the wanted they are."""
    left = [(controller, volume) for controller in controllers for volume in controller.volumes]
    kept = {}
    for number, disk in enumerate(wanted):
        fitting = [(c, v) for c, v in left if _is(c, v, disk)]
        # A name only prefers: many controllers give names of their own, which must not cost the data.
        fitting.sort(key=lambda each, name=disk.volume_name: each[1].name != name)  # type: ignore[misc]
        if fitting:
            kept[number] = fitting[0]
            left.remove(fitting[0])
    return kept


def _is(controller: RAIDController, volume: RAIDVolume, wanted: LogicalDisk) -> bool:
    disks = {disk.id: disk for disk in controller.disks}
    of_volume = [disks[name] for name in volume.disks if name in disks]
    size = wanted.size_bytes
    if volume.level != wanted.raid_level or wanted.controller not in (None, controller.id):
        return False
    if size is not None and (volume.size_bytes is None or abs(volume.size_bytes - size) > size * ALIKE):
        return False
    if wanted.physical_disks:
        named = _Bench(controller).named(wanted.physical_disks)
        return named is not None and {disk.id for disk in named} == set(volume.disks)
    right_number = wanted.number_of_physical_disks in (None, len(volume.disks))
    return right_number and all(_of_type(disk, wanted) for disk in of_volume)


def _bench(controller: RAIDController, stays: Sequence[tuple[str, str | None]]) -> _Bench:
    taken = {
        disk for volume in controller.volumes if (controller.id, volume.id) in stays for disk in volume.disks
    }
    return _Bench(controller, [disk for disk in controller.disks if disk.id not in taken])


def _order(wanted: Sequence[LogicalDisk], kept: dict[int, Any]) -> list[int]:
    """Those that name their disks choose first, those that take what is left last."""
    left = [number for number in range(len(wanted)) if number not in kept]
    return sorted(left, key=lambda n: (not wanted[n].physical_disks, wanted[n].size_gb == "MAX", n))


def _place(wanted: LogicalDisk, benches: Sequence[_Bench], number: int) -> Creation:
    """Choose disks, and take them off their bench."""
    allowed = [bench for bench in benches if wanted.controller in (None, bench.controller.id)]
    if wanted.physical_disks:
        bench, disks = _named(wanted, allowed)
    else:
        bench, disks = _chosen(wanted, allowed)
    bench.free = [disk for disk in bench.free if disk not in disks]
    name = wanted.volume_name or f"volume-{number + 1}"
    volume = RAIDVolume(name, wanted.raid_level, wanted.size_bytes, tuple(disk.id for disk in disks))
    return Creation(bench.controller.id, volume)


def _named(wanted: LogicalDisk, benches: Sequence[_Bench]) -> tuple[_Bench, list[RAIDDisk]]:
    for bench in benches:
        disks = bench.named(wanted.physical_disks)
        if disks is None:
            continue
        if taken := [disk.id for disk in disks if disk not in bench.free]:
            raise CannotPlan(f"{wanted}: {', '.join(taken)} is in another wanted volume")
        if _capacity(wanted, disks) < (wanted.size_bytes or 0):
            raise CannotPlan(f"{wanted}: these disks are too small for it")
        return bench, disks
    raise CannotPlan(
        f"{wanted}: no controller has all of {', '.join(wanted.physical_disks)}; {_there(benches)}"
    )


def _chosen(wanted: LogicalDisk, benches: Sequence[_Bench]) -> tuple[_Bench, list[RAIDDisk]]:
    """Equal disks of one controller: the smallest that are enough, or for MAX the largest."""
    choices = [(bench, disks) for bench in benches for disks in _equal(wanted, bench)]
    enough = [(b, disks) for b, disks in choices if _capacity(wanted, disks) >= (wanted.size_bytes or 0)]
    if not enough:
        count = wanted.count or LEVELS[wanted.raid_level][0]
        kind = f" {wanted.disk_type}" if wanted.disk_type else ""
        raise CannotPlan(f"{wanted}: takes {count} free{kind} disks of one size; {_there(benches)}")
    sign = -1 if wanted.size_bytes is None else 1
    return min(enough, key=lambda choice: sign * _capacity(wanted, choice[1]))


def _equal(wanted: LogicalDisk, bench: _Bench) -> Iterator[list[RAIDDisk]]:
    count = wanted.count or LEVELS[wanted.raid_level][0]
    fitting = sorted((disk for disk in bench.free if _of_type(disk, wanted)), key=_group)
    for _, group in groupby(fitting, key=_group):
        disks = sorted(group, key=lambda disk: disk.id)
        if len(disks) >= count:
            yield disks[:count]


def _group(disk: RAIDDisk) -> tuple[int, str]:
    return disk.size_bytes or 0, disk.kind or ""


def _of_type(disk: RAIDDisk, wanted: LogicalDisk) -> bool:
    return wanted.disk_type is None or (disk.kind or "").lower() == wanted.disk_type


def _capacity(wanted: LogicalDisk, disks: Sequence[RAIDDisk]) -> int:
    smallest = min((disk.size_bytes or 0 for disk in disks), default=0)
    return LEVELS[wanted.raid_level][1](len(disks)) * smallest


def _lost(
    controllers: Sequence[RAIDController], delete: Sequence[Deletion], create: Sequence[Creation]
) -> Iterator[str]:
    disks = {(controller.id, disk.id): disk for controller in controllers for disk in controller.disks}
    for deletion in delete:
        yield f"volume {deletion.volume.name} ({deletion.controller}/{deletion.volume.id})"
    changes: list[Deletion | Creation] = [*delete, *create]
    used = {(each.controller, disk) for each in changes for disk in each.volume.disks}
    for place in sorted(used):
        serial = disks[place].serial if place in disks else None
        yield f"disk {place[1]} serial {serial or 'unknown'}"


def _there(benches: Sequence[_Bench]) -> str:
    free = [
        f"{disk.id} {(disk.size_bytes or 0) / GIB:.0f} GiB {disk.kind or ''}".rstrip()
        for bench in benches
        for disk in bench.free
    ]
    return f"free are: {', '.join(free) or 'none'}"
