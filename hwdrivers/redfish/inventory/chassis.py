"""Which chassis hold a system, what they are, and what feeds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hwdrivers.inventory import Enclosure, PowerSupply
from hwdrivers.redfish.inventory.found import Found, keys_of, merged, own
from hwdrivers.redfish.inventory.resource import Resource, labelled


def chassis_of(
    system: Resource, systems: Sequence[Resource], every: Sequence[Resource]
) -> tuple[list[Resource], list[Resource]]:
    """The chassis that hold this system and its parts alone, and those around it that others have as well.

    A blade is in an enclosure, whose power supplies feed it; the enclosure's other blades are no parts of it.
    What is in no system's chassis (shelves, or HPE Cray EX, which links nothing) is around all of them.
    """
    if len(systems) <= 1:
        return list(every), []
    owners = _owners(systems, every)
    own = [item for item in every if owners[item.path] == {system.path}]
    inside = {item.path for item in own}
    around = [item for item in every if item.path not in inside and _is_around(item, inside, owners, system)]
    return own, around


def _owners(systems: Sequence[Resource], every: Sequence[Resource]) -> dict[str, set[str]]:
    """For each chassis the systems that it names, or that name it, else those of what contains it."""
    named = {item.path: set(item.paths("Links", "ComputerSystems")) for item in every}
    for system in systems:
        for path in system.paths("Links", "Chassis"):
            named.setdefault(path, set()).add(system.path)
        for item in every:
            if item.id == system.id and not named[item.path]:
                named[item.path].add(system.path)
    outer = {path: item.path for item in every for path in item.paths("Links", "Contains")}
    outer |= {item.path: path for item in every for path in item.paths("Links", "ContainedBy")}
    return {item.path: _inherited(item.path, named, outer) for item in every}


def _inherited(path: str, named: dict[str, set[str]], outer: dict[str, str]) -> set[str]:
    seen: set[str] = set()
    while not named.get(path) and path in outer and path not in seen:
        seen.add(path)
        path = outer[path]
    return named.get(path, set())


def _is_around(item: Resource, own: set[str], owners: dict[str, set[str]], system: Resource) -> bool:
    mine = owners[item.path]
    return not mine or system.path in mine or bool(own & set(item.paths("Links", "Contains")))


def read_enclosures(chassis: Iterable[Resource]) -> list[Enclosure]:
    return [
        _enclosure(name, item) for name, item in labelled([item for item in chassis if item.present], "Id")
    ]


def _enclosure(name: str, item: Resource) -> Enclosure:
    return Enclosure(
        name=name,
        kind=item.text("ChassisType"),
        vendor=item.text("Manufacturer"),
        model=item.text("Model"),
        serial=item.text("SerialNumber"),
        part_number=item.text("PartNumber"),
        sku=item.text("SKU"),
        asset_tag=item.text("AssetTag"),
        health=item.health,
    )


def read_power_supplies(chassis: Iterable[Resource]) -> list[PowerSupply]:
    """From PowerSubsystem, else from Power (which it replaced in 2020); a service may have both."""
    found: list[Found[PowerSupply]] = []
    for place in chassis:
        items = place.link("PowerSubsystem").members("PowerSupplies") or place.link("Power").links(
            "PowerSupplies"
        )
        named = [(name, item) for name, item in labelled(items) if item.present and _tells(item)]
        found += [Found(_power_supply(name, item), keys_of(item), own(item)) for name, item in named]
    return [item.part for item in merged(found)]


def _tells(item: Resource) -> bool:
    """An empty bay may be told as a power supply of which nothing is known."""
    known = item.first("Model", "SerialNumber", "PartNumber", "Manufacturer")
    return bool(known or item.number("PowerCapacityWatts") or item.value("Status", "State") == "Enabled")


def _power_supply(name: str, item: Resource) -> PowerSupply:
    return PowerSupply(
        name=name,
        vendor=item.text("Manufacturer"),
        model=item.text("Model"),
        serial=item.text("SerialNumber"),
        part_number=item.first("PartNumber", "SparePartNumber"),
        firmware=item.text("FirmwareVersion"),
        capacity_watts=item.number("PowerCapacityWatts") or _rating(item),
        health=item.health,
    )


def _rating(item: Resource) -> float | None:
    """What it can deliver at the best of its inputs."""
    ranges = [*item.links("InputRanges"), *item.links("InputNominalRanges")]
    told = [r.number("OutputWattage") or r.number("CapacityWatts") for r in ranges]
    return max(filter(None, told), default=None)
