"""From a service's documents to what its machines are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hwdrivers.bmc import BootMode
from hwdrivers.inventory import Device, Inventory, Processor
from hwdrivers.redfish.inventory.chassis import chassis_of, read_enclosures, read_power_supplies
from hwdrivers.redfish.inventory.devices import (
    as_accelerator,
    is_accelerator,
    read_devices,
    read_graphics,
    read_hpe_devices,
    smart_nic,
)
from hwdrivers.redfish.inventory.found import Found, merged
from hwdrivers.redfish.inventory.managers import managers_of, read_managers
from hwdrivers.redfish.inventory.memory import memory_mib, persistent_mib, read_modules
from hwdrivers.redfish.inventory.network import Adapter, read_adapters, read_nics
from hwdrivers.redfish.inventory.processors import is_cpu, read_processors, summary
from hwdrivers.redfish.inventory.resource import Get, Resource, Tree
from hwdrivers.redfish.inventory.storage import Storage, read_storage
from hwdrivers.redfish.inventory.twins import Told
from hwdrivers.told import told_uuid

_ROOT = "/redfish/v1/"
_BOOT_MODES = {"UEFI": BootMode.UEFI, "Legacy": BootMode.BIOS}


def read_inventory(get: Get, system_path: str) -> Inventory:
    """One system; never raises on odd documents. `get` answers None where there is nothing to read."""
    tree = Tree(get)
    root = tree.resource(_ROOT)
    return _Machine(root, tree.resource(system_path)).read()


def read_enclosures_alone(get: Get) -> Inventory:
    """A service without a system (power shelf, enclosure manager, PDU): what its chassis and managers are."""
    root = Tree(get).resource(_ROOT)
    return _Machine(root, root.link("nothing")).read()


class _Machine:
    """One system, and the chassis and managers that are its own."""

    def __init__(self, root: Resource, system: Resource) -> None:
        self._system = system
        systems = root.members("Systems")
        every = [item for item in root.members("Chassis") if item.present]
        self._own, self._around = chassis_of(system, systems, every or system.links("Links", "Chassis"))
        # The host of a DPU sees the card; the card's own system has it as a plain adapter.
        self._dpus = [
            path + "/"
            for other in systems
            if other.value("SystemType") == "DPU" and other.path != system.path
            for path in other.paths("Links", "Chassis")
        ]
        self._managers = managers_of(system, systems, root.members("Managers"))

    def read(self) -> Inventory:
        system = self._system
        processors = read_processors(system)
        cpus = [found.part for found in processors if is_cpu(found.part)]
        modules = read_modules(system)
        storage = read_storage(system, self._own)
        adapters = read_adapters(system, self._own)
        accelerators, devices = self._parts(processors, adapters, storage)
        managers = read_managers(self._managers)
        return Inventory(
            cpu=summary(system, cpus),
            memory_mib=memory_mib(system, modules),
            persistent_memory_mib=persistent_mib(system, modules),
            disks=tuple(disk.part for disk in storage.disks),
            nics=tuple(read_nics(system, adapters)),
            vendor=system.text("Manufacturer"),
            product=system.text("Model"),
            serial=system.text("SerialNumber"),
            uuid=told_uuid(system.value("UUID")),
            boot_mode=_BOOT_MODES.get(str(system.value("Boot", "BootSourceOverrideMode"))),
            bmc_address=next((m.ipv4 or m.ipv6 for m in managers if m.ipv4 or m.ipv6), None),
            part_number=system.text("PartNumber"),
            sku=system.text("SKU"),
            asset_tag=system.text("AssetTag"),
            hostname=system.text("HostName"),
            bios_version=system.text("BiosVersion"),
            kind=system.text("SystemType"),
            health=system.health,
            processors=tuple(cpus),
            accelerators=tuple(accelerators),
            memory_modules=tuple(modules),
            controllers=tuple(controller.part for controller in storage.controllers),
            volumes=tuple(storage.volumes),
            devices=tuple(devices),
            enclosures=tuple(read_enclosures([*self._own, *self._around])),
            power_supplies=tuple(read_power_supplies([*self._own, *self._around])),
            managers=tuple(managers),
        )

    def _parts(
        self, processors: list[Found[Processor]], adapters: list[Adapter], storage: Storage
    ) -> tuple[list[Processor], list[Device]]:
        """Accelerators and all other devices: each part in one of the lists, with all that is told of it."""
        inside = [
            found
            for place in (*self._own, *(a.resource for a in adapters))
            for found in read_processors(place)
        ]
        computing = [found for found in (*processors, *inside) if not is_cpu(found.part)]
        smart = [adapter.found for adapter in adapters if smart_nic(adapter, self._dpus)]
        computing += [as_accelerator(found, "SmartNIC") for found in smart]
        plain = [adapter.found for adapter in adapters if adapter.found not in smart]
        told = Told(storage, plain)
        listed = [
            *read_devices(self._system, self._own, told),
            *read_graphics(self._system),
            *read_hpe_devices(self._own),
        ]
        known = _keys(computing)
        accelerators = merged(
            [*computing, *(as_accelerator(f) for f in listed if is_accelerator(f.part) or f.keys & known)]
        )
        known = _keys(accelerators)
        devices = merged([*plain, *(f for f in listed if not f.keys & known)])
        return [f.part for f in accelerators], [f.part for f in devices]


def _keys(*lists: Sequence[Found[Any]]) -> frozenset[str]:
    return frozenset(key for found in lists for item in found for key in item.keys)
