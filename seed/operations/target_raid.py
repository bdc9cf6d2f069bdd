"""The volumes that a machine is to have, as Ironic's target_raid_config writes them. Sizes are in GiB."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

GIB = 1024**3

# Level → fewest disks, and how many disks' worth of data n disks hold.
LEVELS: Mapping[str, tuple[int, Callable[[int], int]]] = {
    "JBOD": (1, lambda n: 1),
    "0": (1, lambda n: n),
    "1": (2, lambda n: 1),
    "5": (3, lambda n: n - 1),
    "6": (4, lambda n: n - 2),
    "1+0": (4, lambda n: n // 2),
    "5+0": (6, lambda n: n - 2),
    "6+0": (8, lambda n: n - 4),
}


class LogicalDisk(BaseModel):
    """One wanted volume; `physical_disks` by id or serial, else `number_of_physical_disks` are chosen."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    size_gb: Literal["MAX"] | Annotated[int, Field(ge=1)]
    raid_level: Annotated[
        Literal["JBOD", "0", "1", "5", "6", "1+0", "5+0", "6+0"],
        BeforeValidator(lambda level: str(level) if isinstance(level, int) else level),
    ]
    controller: str | None = None
    physical_disks: tuple[str, ...] = ()
    number_of_physical_disks: int | None = Field(default=None, ge=1)
    disk_type: Literal["hdd", "ssd"] | None = None
    is_root_volume: bool = False
    volume_name: str | None = None

    @model_validator(mode="after")
    def _enough(self) -> LogicalDisk:
        fewest = LEVELS[self.raid_level][0]
        if self.count is not None and self.count < fewest:
            raise ValueError(f"RAID {self.raid_level} takes at least {fewest} disks, not {self.count}")
        if self.physical_disks and self.number_of_physical_disks not in (None, len(self.physical_disks)):
            raise ValueError("number_of_physical_disks is not the number of the disks that are named")
        return self

    @property
    def count(self) -> int | None:
        """How many disks are asked for."""
        return len(self.physical_disks) or self.number_of_physical_disks

    @property
    def size_bytes(self) -> int | None:
        """None: as large as it gets."""
        return None if self.size_gb == "MAX" else self.size_gb * GIB

    def __str__(self) -> str:
        size = "MAX" if self.size_gb == "MAX" else f"{self.size_gb} GiB"
        return f"'{self.volume_name}'" if self.volume_name else f"RAID {self.raid_level} of {size}"


class TargetRAID(BaseModel):
    """All volumes that a machine is to have."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    logical_disks: tuple[LogicalDisk, ...]

    @model_validator(mode="after")
    def _one_root(self) -> TargetRAID:
        if sum(disk.is_root_volume for disk in self.logical_disks) > 1:
            raise ValueError("only one volume can be the root volume")
        return self
