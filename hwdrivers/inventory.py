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
    """The processors of a machine together; `count` is what the operating system sees (threads)."""

    architecture: str | None = None
    count: int | None = None
    model: str | None = None
    frequency_mhz: float | None = None
    sockets: int | None = None
    cores: int | None = None


@dataclass(frozen=True)
class Processor:
    """One socket, or one accelerator: `kind` is Redfish's ProcessorType (CPU, GPU, FPGA, DSP...) or SmartNIC.

    `frequency_mhz` is the highest clock, `operating_mhz` the present one; `memory_mib` is what an accelerator
    has on board.
    """

    name: str
    kind: str = "CPU"
    vendor: str | None = None
    model: str | None = None
    architecture: str | None = None
    cores: int | None = None
    threads: int | None = None
    frequency_mhz: float | None = None
    operating_mhz: float | None = None
    memory_mib: int | None = None
    serial: str | None = None
    part_number: str | None = None
    firmware: str | None = None
    health: str | None = None


@dataclass(frozen=True)
class MemoryModule:
    """One DIMM; `kind` as the BMC says ("DDR4", "NVDIMM_N"); `persistent_mib` is what survives power-off."""

    name: str
    size_mib: int | None = None
    kind: str | None = None
    persistent_mib: int | None = None
    speed_mhz: int | None = None
    vendor: str | None = None
    part_number: str | None = None
    serial: str | None = None
    health: str | None = None


@dataclass(frozen=True)
class Disk:
    """One block device or drive. `name` (/dev/sda) may change at the next boot; `by_path` may not.

    Out of band `name` is what the BMC calls the bay; `protocol` is SATA, SAS, NVMe or USB. `hctl` is SCSI's
    host:channel:target:lun; what `wwn` leaves out for LUNs of one array is in the two that end in extension.
    """

    name: str
    size_bytes: int | None = None
    serial: str | None = None
    wwn: str | None = None
    model: str | None = None
    vendor: str | None = None
    rotational: bool | None = None
    by_path: str | None = None
    protocol: str | None = None
    part_number: str | None = None
    firmware: str | None = None
    controller: str | None = None
    health: str | None = None
    hctl: str | None = None
    wwn_with_extension: str | None = None
    wwn_vendor_extension: str | None = None


@dataclass(frozen=True)
class Controller:
    """One storage controller; `protocols` are those of its drives."""

    name: str
    vendor: str | None = None
    model: str | None = None
    firmware: str | None = None
    serial: str | None = None
    protocols: tuple[str, ...] = ()
    health: str | None = None


@dataclass(frozen=True)
class Volume:
    """A volume that a controller offers; `level` as Ironic writes it (0, 1, 5, 6, 1+0, JBOD)."""

    name: str
    level: str | None = None
    size_bytes: int | None = None
    controller: str | None = None
    disks: tuple[str, ...] = ()
    health: str | None = None


@dataclass(frozen=True)
class NIC:
    """One network interface; `mac` as aa:bb:cc:dd:ee:ff.

    `kind` is Ethernet, InfiniBand or FibreChannel; `wwn` the WWPN or GUID of a port that has no MAC;
    `adapter` the name of the card.
    """

    name: str
    mac: str | None = None
    vendor: str | None = None
    product: str | None = None
    driver: str | None = None
    has_carrier: bool | None = None
    ipv4: str | None = None
    speed_mbps: int | None = None
    firmware: str | None = None
    kind: str | None = None
    wwn: str | None = None
    adapter: str | None = None
    health: str | None = None


@dataclass(frozen=True)
class Device:
    """A card or chip that is none of the other parts; `kind` is its PCIe class (NetworkController...)."""

    name: str
    kind: str | None = None
    vendor: str | None = None
    model: str | None = None
    part_number: str | None = None
    serial: str | None = None
    firmware: str | None = None
    health: str | None = None


@dataclass(frozen=True)
class Enclosure:
    """A chassis that holds the machine or parts of it; `kind` is Redfish's ChassisType."""

    name: str
    kind: str | None = None
    vendor: str | None = None
    model: str | None = None
    serial: str | None = None
    part_number: str | None = None
    sku: str | None = None
    asset_tag: str | None = None
    health: str | None = None


@dataclass(frozen=True)
class PowerSupply:
    """One power supply; `capacity_watts` is what it can deliver."""

    name: str
    vendor: str | None = None
    model: str | None = None
    serial: str | None = None
    part_number: str | None = None
    firmware: str | None = None
    capacity_watts: float | None = None
    health: str | None = None


@dataclass(frozen=True)
class Manager:
    """A BMC, or another manager (enclosure manager, SmartNIC's own) of the same service."""

    name: str
    kind: str | None = None
    model: str | None = None
    firmware: str | None = None
    mac: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    gateway: str | None = None
    vlan: int | None = None
    hostname: str | None = None
    health: str | None = None


@dataclass(frozen=True)
class Inventory:
    """One machine as one source saw it at one time: the ramdisk's agent, or its BMC.

    `memory_mib` is RAM; what survives power-off is `persistent_memory_mib`. `processors` are those that run
    the operating system. Each part is in one list only.
    """

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
    part_number: str | None = None
    asset_tag: str | None = None
    bios_version: str | None = None
    health: str | None = None
    kind: str | None = None
    sku: str | None = None
    hostname: str | None = None
    persistent_memory_mib: int | None = None
    processors: tuple[Processor, ...] = ()
    accelerators: tuple[Processor, ...] = ()
    memory_modules: tuple[MemoryModule, ...] = ()
    controllers: tuple[Controller, ...] = ()
    volumes: tuple[Volume, ...] = ()
    devices: tuple[Device, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()
    power_supplies: tuple[PowerSupply, ...] = ()
    managers: tuple[Manager, ...] = ()

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
