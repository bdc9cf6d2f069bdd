"""Read the inventory that ironic-python-agent posts from the ramdisk.

Field names as in ironic-python-agent 13.0.0, `ironic_python_agent/hardware.py` (`serializable_fields`). It
sends empty texts for what lshw and lscpu did not tell, numbers as texts, and null for what it failed to read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from hwdrivers.bmc import BootMode
from hwdrivers.inventory import CPU, NIC, Disk, Inventory
from hwdrivers.mac import normal_mac
from hwdrivers.told import told

_MIB = 1024 * 1024


def from_agent(document: Mapping[str, Any]) -> Inventory:
    """From the body of the inspection call-back, or of the `inventory` inside a lookup.

    Never raises: what is missing or has a wrong type is None. The agent does not tell the system's UUID.
    """
    inside = _mapping(document.get("inventory")) or document
    vendor = _mapping(inside.get("system_vendor"))
    boot = _mapping(inside.get("boot"))
    return Inventory(
        cpu=_cpu(_mapping(inside.get("cpu"))),
        memory_mib=_memory(_mapping(inside.get("memory"))),
        disks=tuple(_disks(inside.get("disks"))),
        nics=tuple(_nics(inside.get("interfaces"))),
        vendor=told(vendor.get("manufacturer")),
        product=told(vendor.get("product_name")),
        serial=told(vendor.get("serial_number")),
        boot_mode=_boot_mode(boot.get("current_boot_mode")),
        boot_mac=_boot_mac(boot.get("pxe_interface")) or _boot_mac(document.get("boot_interface")),
        bmc_address=_bmc_address(inside),
    )


def _cpu(cpu: Mapping[str, Any]) -> CPU:
    return CPU(
        architecture=told(cpu.get("architecture")),
        count=_positive(cpu.get("count")),
        model=told(cpu.get("model_name")),
        frequency_mhz=_number(cpu.get("frequency")),
    )


def _memory(memory: Mapping[str, Any]) -> int | None:
    # physical_mb (lshw, in MiB) counts what the kernel keeps for itself; it is missing where lshw is.
    physical = _positive(memory.get("physical_mb"))
    total = _positive(memory.get("total"))
    return physical or (total // _MIB if total else None)


def _disks(disks: object) -> Iterator[Disk]:
    for disk in _mappings(disks):
        name = told(disk.get("name"))
        if name:
            rotational = disk.get("rotational")
            yield Disk(
                name=name,
                size_bytes=_positive(disk.get("size")),
                serial=told(disk.get("serial")),
                wwn=told(disk.get("wwn")),
                model=told(disk.get("model")),
                vendor=told(disk.get("vendor")),
                rotational=rotational if isinstance(rotational, bool) else None,
                by_path=told(disk.get("by_path")),
                hctl=told(disk.get("hctl")),
                wwn_with_extension=told(disk.get("wwn_with_extension")),
                wwn_vendor_extension=told(disk.get("wwn_vendor_extension")),
            )


def _nics(interfaces: object) -> Iterator[NIC]:
    for nic in _mappings(interfaces):
        name = told(nic.get("name"))
        if name:
            carrier = nic.get("has_carrier")
            yield NIC(
                name=name,
                mac=normal_mac(nic.get("mac_address")),
                vendor=told(nic.get("vendor")),
                product=told(nic.get("product")),
                driver=told(nic.get("driver")),
                has_carrier=carrier if isinstance(carrier, bool) else None,
                ipv4=told(nic.get("ipv4_address")),
                speed_mbps=_positive(nic.get("speed_mbps")),
            )


def _boot_mode(value: object) -> BootMode | None:
    return {"uefi": BootMode.UEFI, "bios": BootMode.BIOS}.get(str(value))


def _boot_mac(value: object) -> str | None:
    # BOOTIF as pxelinux and iPXE write it: ARP hardware type (01, Ethernet), then the MAC, with dashes.
    text = value.removeprefix("01-") if isinstance(value, str) else None
    return normal_mac(text)


def _bmc_address(inside: Mapping[str, Any]) -> str | None:
    # The agent says 0.0.0.0 and ::/0 where ipmitool found a BMC without an address.
    for key, none in (("bmc_address", "0.0.0.0"), ("bmc_v6address", "::/0")):  # noqa: S104
        address = told(inside.get(key))
        if address and address != none:
            return address
    return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else iter(())


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _positive(value: object) -> int | None:
    """An exact integer: disk sizes are larger than what a float holds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value > 0 else None
    number = _number(value)
    return int(number) if number and number >= 1 else None
