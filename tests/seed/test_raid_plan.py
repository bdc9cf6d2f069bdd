"""From volumes that there are to those that are wanted."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hwdrivers.interfaces import RAIDController, RAIDDisk, RAIDVolume
from seed.operations.raid_plan import CannotPlan, RAIDPlan, plan
from seed.operations.target_raid import LEVELS, TargetRAID

GIB = 1024**3


def disks(*sizes: int, kind: str = "SSD", first: int = 0) -> tuple[RAIDDisk, ...]:
    return tuple(
        RAIDDisk(f"D{n}", size * GIB, f"S{n}", kind=kind) for n, size in enumerate(sizes, start=first)
    )


def controller(*some: RAIDDisk, volumes: tuple[RAIDVolume, ...] = (), name: str = "C1") -> RAIDController:
    return RAIDController(name, "H740", some, volumes)


def planned(there: list[RAIDController], *wanted: dict[str, Any]) -> RAIDPlan:
    return plan(there, TargetRAID.model_validate({"logical_disks": wanted}).logical_disks)


def made(plan: RAIDPlan) -> list[tuple[str, str | None, tuple[str, ...]]]:
    return [(each.controller, each.volume.level, each.volume.disks) for each in plan.create]


MIRROR = {"size_gb": 100, "raid_level": "1"}


@pytest.mark.parametrize(
    ("there", "wanted", "made_of"),
    [
        ([controller(*disks(200, 200, 100, 100))], MIRROR, ("D2", "D3")),  # the smallest that are enough
        ([controller(*disks(200, 100, 200, 100))], {**MIRROR, "size_gb": "MAX"}, ("D0", "D2")),
        ([controller(*disks(100, 100, 100))], {**MIRROR, "raid_level": 1}, ("D0", "D1")),  # YAML's number
        ([controller(*disks(100, 100, 100))], {**MIRROR, "physical_disks": ["S2", "D0"]}, ("D2", "D0")),
        (
            [controller(*disks(100, 100), *disks(100, 100, kind="HDD", first=2))],
            {**MIRROR, "disk_type": "hdd"},
            ("D2", "D3"),
        ),
        ([controller(*disks(50, 50, 50, 50))], {**MIRROR, "raid_level": "1+0"}, ("D0", "D1", "D2", "D3")),
        (
            [controller(*disks(50, 50, 50, 50))],
            {"size_gb": 90, "raid_level": "5", "number_of_physical_disks": 4},
            ("D0", "D1", "D2", "D3"),
        ),
    ],
)
def test_disks_are_chosen(
    there: list[RAIDController], wanted: dict[str, Any], made_of: tuple[str, ...]
) -> None:
    ((_, _, chosen),) = made(planned(there, wanted))
    assert chosen == made_of


def test_a_volume_lies_on_one_controller() -> None:
    there = [controller(*disks(100)), controller(*disks(100, 100), name="C2")]
    assert made(planned(there, MIRROR)) == [("C2", "1", ("D0", "D1"))]


@pytest.mark.parametrize(
    ("there", "wanted", "words"),
    [
        ([controller(*disks(100))], MIRROR, "takes 2 free disks of one size; free are: D0 100 GiB SSD"),
        ([controller(*disks(100, 50))], MIRROR, "takes 2 free disks of one size"),
        ([controller(*disks(50, 50))], MIRROR, "takes 2 free disks"),
        ([], MIRROR, "free are: none"),
        ([controller(*disks(100, 100))], {**MIRROR, "physical_disks": ["S0", "S9"]}, "has all of S0, S9"),
        ([controller(*disks(50, 50))], {**MIRROR, "physical_disks": ["S0", "S1"]}, "too small"),
        ([controller(*disks(100, 100))], {**MIRROR, "controller": "C9"}, "takes 2 free disks"),
    ],
)
def test_what_cannot_be_made_is_told(there: list[RAIDController], wanted: dict[str, Any], words: str) -> None:
    with pytest.raises(CannotPlan, match=words):
        planned(there, wanted)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ([{**MIRROR, "physical_disks": ["S0"]}], "RAID 1 takes at least 2 disks, not 1"),
        ([{**MIRROR, "number_of_physical_disks": 3, "physical_disks": ["S0", "S1"]}], "not the number"),
        ([{**MIRROR, "is_root_volume": True}] * 2, "only one volume"),
        ([{**MIRROR, "share_physical_disks": True}], "Extra inputs"),
        ([{**MIRROR, "size_gb": 0}], "greater than"),
    ],
)
def test_what_makes_no_sense_is_refused(wanted: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TargetRAID.model_validate({"logical_disks": wanted})


def test_a_name_that_the_controller_does_not_keep_costs_no_data() -> None:
    there = RAIDVolume("Virtual Disk 0", "1", 100 * GIB - 4096, ("D0", "D1"), "V0")
    found = planned([controller(*disks(100, 100), volumes=(there,))], {**MIRROR, "volume_name": "root"})
    assert (found.keep, found.delete, found.create, found.lost) == ((there,), (), (), ())


def test_what_nobody_wants_is_deleted_and_told() -> None:
    old = RAIDVolume("old", "5", 200 * GIB, ("D0", "D1", "D2"), "V0")
    found = planned([controller(*disks(100, 100, 100), volumes=(old,))])
    assert [str(each) for each in found.delete] == ["delete old"]
    assert found.lost == ("volume old (C1/V0)", *(f"disk D{n} serial S{n}" for n in range(3)))


levels = st.sampled_from(sorted(LEVELS))
volumes = st.fixed_dictionaries(
    {"size_gb": st.one_of(st.just("MAX"), st.integers(1, 300)), "raid_level": levels},
    optional={"number_of_physical_disks": st.integers(8, 9), "disk_type": st.sampled_from(["ssd", "hdd"])},
)


@given(
    st.lists(st.tuples(st.sampled_from([100, 200]), st.sampled_from(["SSD", "HDD"])), max_size=24),
    st.lists(volumes, max_size=3),
)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    sizes: list[tuple[int, str]], wanted: list[dict[str, Any]]
) -> None:
    some = [RAIDDisk(f"D{n:02}", size * GIB, f"S{n}", kind=kind) for n, (size, kind) in enumerate(sizes)]
    there = controller(*some)
    try:
        found = planned([there], *wanted)
    except CannotPlan:
        return
    used = [disk for each in found.create for disk in each.volume.disks]
    assert len(used) == len(set(used))
    assert len(found.create) == len(wanted)
    number = count()
    result = tuple(
        replace(each.volume, id=f"V{next(number)}", size_bytes=each.volume.size_bytes or 1)
        for each in found.create
    )
    again = planned([replace(there, volumes=result)], *wanted)
    assert (again.delete, again.create, again.lost) == ((), (), ())
