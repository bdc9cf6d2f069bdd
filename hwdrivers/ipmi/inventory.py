"""What a BMC tells over IPMI of the machine: its FRU devices and its own network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pyghmi.ipmi.private import constants

from hwdrivers.bmc import Identity
from hwdrivers.errors import BMCError
from hwdrivers.inventory import Device, Enclosure, Inventory, Manager, MemoryModule, PowerSupply
from hwdrivers.ipmi import fru, lan
from hwdrivers.ipmi.kept_session import KeptSession
from hwdrivers.ipmi.sdr import Entry, Repository
from hwdrivers.told import told

_POWER_SUPPLY, _MEMORY, _CHASSIS = (10, 19), (8, 32), (23, 30)  # entity ids, IPMI 2.0 table 43-13


_GRADES = (
    800,
    1066,
    1333,
    1600,
    1866,
    2133,
    2400,
    2666,
    2933,
    3200,
    4000,
    4400,
    4800,
    5200,
    5600,
    6000,
    6400,
)
_SPD = 1  # FRU device type modifier, table 43-12: the EEPROM of a DIMM


def vendor(fields: Mapping[str, Any]) -> str | None:
    return told(fields.get("Manufacturer")) or told(fields.get("Board manufacturer"))


def model(fields: Mapping[str, Any]) -> str | None:
    return told(fields.get("Product name")) or told(fields.get("Board product name"))


def serial(fields: Mapping[str, Any]) -> str | None:
    """Never the chassis' serial: the nodes of a multi-node chassis share it."""
    return told(fields.get("Serial Number")) or told(fields.get("Board serial number"))


def part_number(fields: Mapping[str, Any]) -> str | None:
    return told(fields.get("Model")) or told(fields.get("Board model"))


def read_inventory(bmc: KeptSession, repository: Repository, known: Identity) -> Inventory:
    """`known`: what `identify` said. A BMC without a FRU or a LAN configuration leaves those parts empty."""
    main = fru.fields(bmc, 0)
    inventory = Inventory(
        vendor=known.vendor,
        product=known.model,
        serial=known.serial,
        uuid=known.uuid,
        part_number=part_number(main),
        asset_tag=told(main.get("Asset Number")),
        enclosures=_enclosures(main),
        managers=(_manager(bmc, known),),
    )
    for entry in _located(repository):
        inventory = _with(inventory, entry, fru.read(bmc, entry.fru_number))
    return inventory


def _located(repository: Repository) -> list[Entry]:
    """FRU devices but 0, which is the machine itself."""
    try:
        return [entry for entry in repository.frus() if entry.fru_number != 0]
    except BMCError as error:
        if error.retryable:
            raise
        return []  # it has no records: nothing says which devices there are


def _enclosures(fields: Mapping[str, Any]) -> tuple[Enclosure, ...]:
    number, part = told(fields.get("Chassis serial number")), told(fields.get("Chassis part number"))
    if number is None and part is None:
        return ()
    return (Enclosure("Chassis", kind=told(fields.get("Chassis type")), serial=number, part_number=part),)


def _manager(bmc: KeptSession, known: Identity) -> Manager:
    found = lan.read(bmc)
    return Manager("BMC", kind="BMC", firmware=known.firmware, **dataclasses.asdict(found))


def _with(inventory: Inventory, entry: Entry, area: bytes) -> Inventory:
    """The inventory with this part, by what its locator says it belongs to."""
    fields, name, entity = fru.parsed(area), entry.fru_name, entry.raw[12]
    if entity in _MEMORY and entry.fru_type_and_modifier & 0xFF == _SPD:
        return _with_memory(inventory, name, fru.memory_module(area))
    if not fields:
        return inventory
    maker, number, part = vendor(fields), serial(fields), part_number(fields)
    if entity in _POWER_SUPPLY:
        supply = PowerSupply(name, maker, model(fields), number, part, capacity_watts=fru.watts(area))
        return dataclasses.replace(inventory, power_supplies=(*inventory.power_supplies, supply))
    if entity in _MEMORY:
        module = MemoryModule(name, vendor=maker, part_number=part or model(fields), serial=number)
        return dataclasses.replace(inventory, memory_modules=(*inventory.memory_modules, module))
    if entity in _CHASSIS:
        enclosure = Enclosure(name, vendor=maker, model=model(fields), serial=number, part_number=part)
        return dataclasses.replace(inventory, enclosures=(*inventory.enclosures, enclosure))
    kind = constants.entity_ids.get(entity)
    device = Device(name, kind=kind, vendor=maker, model=model(fields), part_number=part, serial=number)
    return dataclasses.replace(inventory, devices=(*inventory.devices, device))


def _with_memory(inventory: Inventory, name: str, spd: Mapping[str, Any]) -> Inventory:
    """The inventory with this module; an empty EEPROM is an empty slot."""
    if not spd:
        return inventory
    size = int(spd["capacity_mb"])
    module = MemoryModule(
        name,
        size_mib=size,
        kind=told(str(spd["memory_type"]).partition(" ")[0]),
        speed_mhz=_grade(spd["speed"]),
        vendor=told(spd["manufacturer"]),
        part_number=told(spd["model"].decode("latin-1")),
        serial=told(spd["serial"]),
    )
    modules = (*inventory.memory_modules, module)
    return dataclasses.replace(
        inventory, memory_modules=modules, memory_mib=(inventory.memory_mib or 0) + size
    )


def _grade(bandwidth: object) -> int | None:
    """A module's transfer rate by its rounded bandwidth in MB/s, 8 bytes at a time (PC4-21300: 2,666)."""
    if not isinstance(bandwidth, int):
        return None
    return min(_GRADES, key=lambda grade: abs(grade - bandwidth / 8))
