"""The columns of a machine's parts, in the units that people use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Part = Mapping[str, Any]


def _of(name: str) -> Any:
    return lambda part: part[name]


def mib(mib: int | None) -> str | None:
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
    return ", ".join(filter(None, (part["protocol"], {True: "HDD", False: "SSD"}.get(part["rotational"]))))


_WHAT = {"VENDOR": _of("vendor"), "MODEL": _of("model")}
_WHICH = {"PART": _of("part_number"), "SERIAL": _of("serial"), "FIRMWARE": _of("firmware")}
_HEALTH = {"HEALTH": _of("health")}
PROCESSOR = {
    "NAME": _of("name"),
    **_WHAT,
    "CORES": _of("cores"),
    "THREADS": _of("threads"),
    "MAX": lambda part: _mhz(part["frequency_mhz"]),
    "SERIAL": _of("serial"),
    **_HEALTH,
}
ACCELERATOR = {
    "NAME": _of("name"),
    "KIND": _of("kind"),
    **_WHAT,
    "MEMORY": lambda part: mib(part["memory_mib"]),
    **_WHICH,
    **_HEALTH,
}
MEMORY = {
    "COUNT": _of("count"),
    "SIZE": lambda part: mib(part["size_mib"]),
    "KIND": _of("kind"),
    "PERSISTENT": lambda part: mib(part["persistent_mib"]),
    "SPEED": lambda part: _mhz(part["speed_mhz"]),
    "VENDOR": _of("vendor"),
    "PART": _of("part_number"),
    **_HEALTH,
}
DISK = {
    "NAME": _of("name"),
    "SIZE": lambda part: _bytes(part["size_bytes"]),
    "KIND": _drive,
    **_WHAT,
    "SERIAL": _of("serial"),
    "WWN": _of("wwn"),
    "FIRMWARE": _of("firmware"),
    **_HEALTH,
}
VOLUME = {
    "NAME": _of("name"),
    "LEVEL": _of("level"),
    "SIZE": lambda part: _bytes(part["size_bytes"]),
    "CONTROLLER": _of("controller"),
    "DISKS": lambda part: ", ".join(part["disks"]),
    **_HEALTH,
}
CONTROLLER = {
    "NAME": _of("name"),
    **_WHAT,
    "PROTOCOLS": lambda part: ", ".join(part["protocols"]),
    "SERIAL": _of("serial"),
    "FIRMWARE": _of("firmware"),
    **_HEALTH,
}
NIC = {
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
DEVICE = {"NAME": _of("name"), "KIND": _of("kind"), **_WHAT, **_WHICH, **_HEALTH}
SUPPLY = {
    "NAME": _of("name"),
    **_WHAT,
    "CAPACITY": lambda part: part["capacity_watts"] and f"{part['capacity_watts']:g} W",
    **_WHICH,
    **_HEALTH,
}
ENCLOSURE = {
    "NAME": _of("name"),
    "KIND": _of("kind"),
    **_WHAT,
    "PART": _of("part_number"),
    "SERIAL": _of("serial"),
    "ASSET TAG": _of("asset_tag"),
    **_HEALTH,
}
MANAGER = {
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
