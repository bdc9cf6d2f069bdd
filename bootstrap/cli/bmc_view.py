"""How a BMC and its machines look to a technician."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from bootstrap.cli.console import out, text

Part = Mapping[str, Any]


def show_bmc(document: Part) -> None:
    """Each system by itself, then what they share."""
    systems = document["systems"] or [document]  # a power shelf has none, but parts
    for system in systems:
        if len(systems) > 1:
            out.rule(system["address"], align="left")
        _show_system(system)
    _table("Enclosures", document["enclosures"], _ENCLOSURE)
    _table("Managers", document["managers"], _MANAGER)


def _show_system(system: Part) -> None:
    parts = system["inventory"]
    _pairs(system)
    _table("Processors", parts["processors"], _PROCESSOR)
    _table("Accelerators", parts["accelerators"], _ACCELERATOR)
    _table("Memory", _alike(parts["memory_modules"]), _MEMORY)
    _table("Disks", parts["disks"], _DISK)
    _table("Volumes", parts["volumes"], _VOLUME)
    _table("Storage controllers", parts["controllers"], _CONTROLLER)
    _table("Network", parts["nics"], _NIC)
    _table("Other devices", parts["devices"], _DEVICE)
    _table("Power supplies", parts["power_supplies"], _SUPPLY)


def _pairs(system: Part) -> None:
    identity, parts = system["identity"], system["inventory"]
    cpu = parts["cpu"]
    grid = Table.grid(padding=(0, 2))
    rows = {
        "BMC": system["address"],
        "Vendor": identity["vendor"],
        "Model": identity["model"],
        "Serial": identity["serial"],
        "SKU": parts["sku"],
        "UUID": identity["uuid"],
        "Asset tag": parts["asset_tag"],
        "BMC firmware": identity["firmware"],
        "BIOS": parts["bios_version"],
        "Host name": parts["hostname"],
        "Power": system["power"],
        "Health": parts["health"],
        "CPU": _words(cpu["model"], cpu["architecture"], cpu["count"] and f"{cpu['count']} threads"),
        "Memory": _mib(parts["memory_mib"]),
        "Persistent memory": _mib(parts["persistent_memory_mib"]),
        **abilities(system["abilities"]),
    }
    for name, value in rows.items():
        if value:
            grid.add_row(name, str(value))
    out.print(grid, markup=False)


def abilities(told: Mapping[str, Part]) -> dict[str, str]:
    """What a BMC can do, and what not and why, each in one line."""
    can = [name for name, ability in told.items() if ability["supported"]]
    cannot = [f"{n} ({a['detail']})" if a["detail"] else n for n, a in told.items() if not a["supported"]]
    return {"Can": ", ".join(can), "Cannot": "; ".join(cannot)}


def _table(title: str, parts: Iterable[Part], columns: Mapping[str, Any]) -> None:
    """Columns in which nobody tells anything are left out."""
    rows = [{name: read(part) for name, read in columns.items()} for part in parts]
    told = [name for name in columns if any(row[name] not in (None, "") for row in rows)]
    if not rows or not told:
        return
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        title=title,
        title_justify="left",
        title_style="bold cyan",
    )
    for name in told:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(text(row[name]) for name in told))
    out.print()
    out.print(table, markup=False)


def _alike(parts: Iterable[Part]) -> list[Part]:
    """Modules that differ in their name and serial number only, counted."""
    counted = Counter(tuple((k, v) for k, v in part.items() if k not in ("name", "serial")) for part in parts)
    return [{**dict(kind), "count": count} for kind, count in counted.items()]


def _words(*words: Any) -> str:
    return ", ".join(str(word) for word in words if word)


def _of(name: str) -> Any:
    return lambda part: part[name]


def _mib(mib: int | None) -> str | None:
    if not mib:
        return None
    return f"{mib / 1024:g} GiB" if mib >= 1024 else f"{mib} MiB"


def _bytes(size: int | None) -> str | None:
    """As it is printed on the drive: decimal."""
    if not size:
        return None
    return f"{size / 1e12:.2f} TB" if size >= 1e12 else f"{size / 1e9:.1f} GB"


def _mhz(value: float | None) -> str | None:
    return f"{value:g} MHz" if value else None


def _mbps(value: int | None) -> str | None:
    if not value:
        return None
    return f"{value / 1000:g} Gbit/s" if value >= 1000 else f"{value} Mbit/s"


def _link(nic: Part) -> str | None:
    return {True: "up", False: "down"}.get(nic["has_carrier"])


def _drive(part: Part) -> str:
    return _words(part["protocol"], {True: "HDD", False: "SSD"}.get(part["rotational"]))


_WHAT = {"VENDOR": _of("vendor"), "MODEL": _of("model")}
_WHICH = {"PART": _of("part_number"), "SERIAL": _of("serial"), "FIRMWARE": _of("firmware")}
_HEALTH = {"HEALTH": _of("health")}
_PROCESSOR = {
    "NAME": _of("name"),
    **_WHAT,
    "CORES": _of("cores"),
    "THREADS": _of("threads"),
    "MAX": lambda part: _mhz(part["frequency_mhz"]),
    "SERIAL": _of("serial"),
    **_HEALTH,
}
_ACCELERATOR = {
    "NAME": _of("name"),
    "KIND": _of("kind"),
    **_WHAT,
    "MEMORY": lambda part: _mib(part["memory_mib"]),
    **_WHICH,
    **_HEALTH,
}
_MEMORY = {
    "COUNT": _of("count"),
    "SIZE": lambda part: _mib(part["size_mib"]),
    "KIND": _of("kind"),
    "PERSISTENT": lambda part: _mib(part["persistent_mib"]),
    "SPEED": lambda part: _mhz(part["speed_mhz"]),
    "VENDOR": _of("vendor"),
    "PART": _of("part_number"),
    **_HEALTH,
}
_DISK = {
    "NAME": _of("name"),
    "SIZE": lambda part: _bytes(part["size_bytes"]),
    "KIND": _drive,
    **_WHAT,
    "SERIAL": _of("serial"),
    "WWN": _of("wwn"),
    "FIRMWARE": _of("firmware"),
    **_HEALTH,
}
_VOLUME = {
    "NAME": _of("name"),
    "LEVEL": _of("level"),
    "SIZE": lambda part: _bytes(part["size_bytes"]),
    "CONTROLLER": _of("controller"),
    "DISKS": lambda part: ", ".join(part["disks"]),
    **_HEALTH,
}
_CONTROLLER = {
    "NAME": _of("name"),
    **_WHAT,
    "PROTOCOLS": lambda part: ", ".join(part["protocols"]),
    "SERIAL": _of("serial"),
    "FIRMWARE": _of("firmware"),
    **_HEALTH,
}
_NIC = {
    "NAME": _of("name"),
    "MAC": lambda part: part["mac"] or part["wwn"],
    "KIND": _of("kind"),
    "LINK": _link,
    "SPEED": lambda part: _mbps(part["speed_mbps"]),
    "ADAPTER": _of("adapter"),
    "VENDOR": _of("vendor"),
    "MODEL": _of("product"),
    **_HEALTH,
}
_DEVICE = {"NAME": _of("name"), "KIND": _of("kind"), **_WHAT, **_WHICH, **_HEALTH}
_SUPPLY = {
    "NAME": _of("name"),
    **_WHAT,
    "CAPACITY": lambda part: part["capacity_watts"] and f"{part['capacity_watts']:g} W",
    **_WHICH,
    **_HEALTH,
}
_ENCLOSURE = {
    "NAME": _of("name"),
    "KIND": _of("kind"),
    **_WHAT,
    "PART": _of("part_number"),
    "SERIAL": _of("serial"),
    "ASSET TAG": _of("asset_tag"),
    **_HEALTH,
}
_MANAGER = {
    "NAME": _of("name"),
    "KIND": _of("kind"),
    "MODEL": _of("model"),
    "FIRMWARE": _of("firmware"),
    "MAC": _of("mac"),
    "IPV4": _of("ipv4"),
    "IPV6": _of("ipv6"),
    "HOST NAME": _of("hostname"),
    **_HEALTH,
}
