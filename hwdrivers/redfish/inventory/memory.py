"""Memory modules, and how much of them is RAM."""

from __future__ import annotations

from collections.abc import Sequence

from hwdrivers.inventory import MemoryModule
from hwdrivers.redfish.inventory.resource import Resource, labelled
from hwdrivers.redfish.inventory.values import KIB, module_mib, system_mib, total

_JEDEC = {"0xce00": "Samsung", "0x2c00": "Micron", "0xad00": "SK hynix", "0x9801": "Kingston"}
_PERSISTENT = ("NVDIMM_N", "NVDIMM_F", "NVDIMM_P", "IntelOptane")


def read_modules(system: Resource) -> list[MemoryModule]:
    """The modules that are there; empty sockets are left out."""
    named = labelled(system.members("Memory"), "Name", "DeviceLocator")
    return [_module(name, item) for name, item in named if _is_there(item)]


def memory_mib(system: Resource, modules: Sequence[MemoryModule]) -> int | None:
    """The RAM of a system: neither what survives power-off nor what sits on a GPU."""
    ram = total(_ram(module) for module in modules)
    told = system_mib(system.value("MemorySummary", "TotalSystemMemoryGiB"), ram)
    everything = total(module.size_mib for module in modules)
    # Some count what survives power-off as well.
    return ram if ram and told == everything else told


def persistent_mib(system: Resource, modules: Sequence[MemoryModule]) -> int | None:
    """What survives power-off, of all modules."""
    told = system.number("MemorySummary", "TotalSystemPersistentMemoryGiB")
    return total(module.persistent_mib for module in modules) or (round(told * KIB) if told else None)


def _is_there(item: Resource) -> bool:
    # iLO 4 tells DIMMStatus and SizeMB. Some tell an empty socket as Enabled with nothing in it.
    if not item.present or item.value("DIMMStatus") == "NotPresent":
        return False
    empty = item.value("CapacityMiB") == 0 or item.value("SizeMB") == 0
    return not (empty and not item.first("SerialNumber", "PartNumber"))


def _module(name: str, item: Resource) -> MemoryModule:
    size = module_mib(item.value("CapacityMiB")) or module_mib(item.value("SizeMB"))
    return MemoryModule(
        name=name,
        size_mib=size,
        kind=_kind(item),
        persistent_mib=_persistent(item, size),
        speed_mhz=_speed(item),
        vendor=_vendor(item),
        part_number=item.text("PartNumber"),
        serial=item.text("SerialNumber"),
        health=item.health,
    )


def _vendor(item: Resource) -> str | None:
    """Cisco CIMC tells the JEDEC number (JEP106, 0xCE00)."""
    told = item.text("Manufacturer") or ""
    return _JEDEC.get(told.lower(), told or None)


def _kind(item: Resource) -> str | None:
    """What tells more: NVDIMM_N is DDR4 as well, and DRAM is all of them."""
    memory = item.text("MemoryType")
    device = item.first("MemoryDeviceType", "DIMMType")
    if memory in _PERSISTENT or device in _PERSISTENT:
        return memory if memory in _PERSISTENT else device
    return device if device not in (None, "Other") else memory


def _persistent(item: Resource, size: int | None) -> int | None:
    """None where nothing of it survives power-off."""
    for name in ("NonVolatileSizeMiB", "PersistentRegionSizeLimitMiB"):
        if item.positive(name):
            return module_mib(item.value(name))
    if _kind(item) not in _PERSISTENT:
        return None
    volatile = item.positive("VolatileSizeMiB") or item.positive("VolatileRegionSizeLimitMiB") or 0
    return max(size - volatile, 0) or None if size else None


def _speed(item: Resource) -> int | None:
    allowed = item.value("AllowedSpeedsMHz")
    fastest = (
        max((s for s in allowed if isinstance(s, int)), default=None) if isinstance(allowed, list) else None
    )
    return item.positive("OperatingSpeedMhz") or item.positive("MaximumFrequencyMHz") or fastest or None


def _ram(module: MemoryModule) -> int | None:
    if module.size_mib is None or (module.kind or "").startswith("HBM"):
        return None
    return module.size_mib - (module.persistent_mib or 0)
