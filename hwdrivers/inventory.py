"""What a machine is made of, in field units: memory in MiB, disks in bytes, clock in MHz, links in Mbit/s.

None (or an empty tuple) means that nobody told: absent is normal on real hardware.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from hwdrivers.bmc import BootMode


@dataclass(frozen=True)
class CPU:
    """The processors of a machine; `count` is what the operating system sees (threads)."""

    architecture: str | None = None
    count: int | None = None
    model: str | None = None
    frequency_mhz: float | None = None


@dataclass(frozen=True)
class Disk:
    """One block device. `name` (/dev/sda) may change at the next boot; `by_path` may not."""

    name: str
    size_bytes: int | None = None
    serial: str | None = None
    wwn: str | None = None
    model: str | None = None
    vendor: str | None = None
    rotational: bool | None = None
    by_path: str | None = None


@dataclass(frozen=True)
class NIC:
    """One network interface; `mac` as aa:bb:cc:dd:ee:ff."""

    name: str
    mac: str | None = None
    vendor: str | None = None
    product: str | None = None
    driver: str | None = None
    has_carrier: bool | None = None
    ipv4: str | None = None
    speed_mbps: int | None = None


@dataclass(frozen=True)
class Inventory:
    """One machine as one source saw it at one time."""

    cpu: CPU = CPU()
    memory_mib: int | None = None
    disks: tuple[Disk, ...] = ()
    nics: tuple[NIC, ...] = ()
    vendor: str | None = None
    product: str | None = None
    serial: str | None = None
    uuid: str | None = None
    boot_mode: BootMode | None = None
    boot_mac: str | None = None
    bmc_address: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; the inverse of `from_dict`."""
        document: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Inventory:
        """Raises ValueError (pydantic's) naming the field that is wrong."""
        return _adapter().validate_python(dict(document))


@cache
def _adapter() -> TypeAdapter[Inventory]:
    return TypeAdapter(Inventory)
