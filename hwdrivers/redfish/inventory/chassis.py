"""Which chassis hold a system, what they are, and what feeds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hwdrivers.inventory import Enclosure, PowerSupply
from hwdrivers.redfish.inventory.found import Found, keys_of, merged
from hwdrivers.redfish.inventory.resource import Resource, labelled


def chassis_of(
    system: Resource, every: Sequence[Resource], *, alone: bool
) -> tuple[list[Resource], list[Resource]]:
    """Those that hold this system and its parts alone, and those around them that hold others as well.

    A blade is in an enclosure, whose power supplies feed it; the enclosure's other blades are not its parts.
    Where the service has one system (`alone`), every chassis is its own.
    """
    if alone:
        return list(every), []
    by_path = {item.path: item for item in every}
    own = {item.path: item for item in system.links("Links", "Chassis") if _shared_by(item) <= {system.path}}
    own |= {path: item for path, item in by_path.items() if _shared_by(item) == {system.path}}
    _add_contained(own, by_path, system.path)
    around: dict[str, Resource] = {}
    for item in [*own.values(), *system.links("Links", "Chassis")]:
        _climb(item, own, around)
    return list(own.values()), list(around.values())


def _shared_by(item: Resource) -> set[str]:
    return set(item.paths("Links", "ComputerSystems"))


def _add_contained(own: dict[str, Resource], by_path: dict[str, Resource], system: str) -> None:
    """Parts name what contains them (ContainedBy), or are named (Contains); services tell one or both."""
    waiting = list(own.values())
    while waiting:
        outer = waiting.pop()
        named = set(outer.paths("Links", "Contains"))
        for path, item in by_path.items():
            inside = path in named or outer.path in item.paths("Links", "ContainedBy")
            if inside and path not in own and _shared_by(item) <= {system}:
                own[path] = item
                waiting.append(item)


def _climb(item: Resource, own: dict[str, Resource], around: dict[str, Resource]) -> None:
    while item and item.path not in around:
        if item.path not in own:
            around[item.path] = item
        item = item.link("Links", "ContainedBy")
        if item.path in own:
            return


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
        found += [Found(_power_supply(name, item), keys_of(item)) for name, item in named]
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
