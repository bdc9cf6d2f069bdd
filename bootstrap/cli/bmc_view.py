"""How a BMC and its machines look to a technician."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from bootstrap.cli.bmc_columns import (
    ACCELERATOR,
    CONTROLLER,
    DEVICE,
    DISK,
    ENCLOSURE,
    MANAGER,
    MEMORY,
    NIC,
    PROCESSOR,
    SUPPLY,
    VOLUME,
    mib,
)
from bootstrap.cli.console import out, text

Part = Mapping[str, Any]


def show_bmc(document: Part) -> None:
    """Each system by itself, then what they share."""
    systems = document["systems"] or [document]  # a power shelf has none, but parts
    for system in systems:
        if len(systems) > 1:
            out.rule(system["address"], align="left")
        _show_system(system)
    _table("Enclosures", document["enclosures"], ENCLOSURE)
    _table("Managers", document["managers"], MANAGER)


def _show_system(system: Part) -> None:
    parts = system["inventory"]
    _pairs(system)
    _table("Processors", parts["processors"], PROCESSOR)
    _table("Accelerators", parts["accelerators"], ACCELERATOR)
    _table("Memory", _alike(parts["memory_modules"]), MEMORY)
    _table("Disks", parts["disks"], DISK)
    _table("Volumes", parts["volumes"], VOLUME)
    _table("Storage controllers", parts["controllers"], CONTROLLER)
    _table("Network", parts["nics"], NIC)
    _table("Other devices", parts["devices"], DEVICE)
    _table("Power supplies", parts["power_supplies"], SUPPLY)


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
        "CPU": _words(cpu["model"], cpu["architecture"], *_counts(cpu)),
        "Memory": mib(parts["memory_mib"]),
        "Persistent memory": mib(parts["persistent_memory_mib"]),
        **abilities(system["abilities"]),
    }
    for name, value in rows.items():
        if value:
            grid.add_row(name, str(value))
    out.print(grid, markup=False)


def abilities(told: Mapping[str, Part]) -> dict[str, str]:
    """What a BMC can do, and what not and why, each in one line."""
    can = [name for name, ability in told.items() if ability["supported"]]
    cannot = [_lacking(name, ability["detail"]) for name, ability in told.items() if not ability["supported"]]
    return {"Can": ", ".join(can), "Cannot": "; ".join(cannot)}


def _lacking(name: str, detail: str | None) -> str:
    """Without the name twice: of a console, "Redfish has no console"."""
    return f"{name} ({detail.replace(f'has no {name}', 'has none')})" if detail else name


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


def _counts(cpu: Part) -> list[str]:
    told = (("sockets", cpu["sockets"]), ("cores", cpu["cores"]), ("threads", cpu["count"]))
    return [f"{count} {name}" for name, count in told if count]


def _words(*words: Any) -> str:
    return ", ".join(str(word) for word in words if word)
