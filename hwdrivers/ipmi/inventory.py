"""What a BMC tells over IPMI of the machine: its FRU devices and its own network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pyghmi.ipmi.private import constants

from hwdrivers.bmc import Identity
from hwdrivers.errors import BMCError, BMCTimeout, Unreachable
from hwdrivers.inventory import Device, Enclosure, Inventory, Manager, MemoryModule, PowerSupply
from hwdrivers.ipmi import fru, lan
from hwdrivers.ipmi.kept_session import KeptSession
from hwdrivers.ipmi.sdr import Entry, Repository
from hwdrivers.told import told

_POWER_SUPPLY, _MEMORY, _CHASSIS = (10, 19), (8, 32), (23, 30)  # entity ids, IPMI 2.0 table 43-13


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
    except (BMCTimeout, Unreachable):
        raise
    except BMCError:
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
