"""The same part told by several documents is one part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, TypeVar

from hwdrivers.redfish.inventory.resource import Resource

T = TypeVar("T")


@dataclass(frozen=True)
class Found(Generic[T]):
    """A part, and what tells that another document means the same one."""

    part: T
    keys: frozenset[str]


def keys_of(resource: Resource, *links: Iterable[str]) -> frozenset[str]:
    """Its own path, the paths of what it is linked to, and its serial number with its part or model number.

    Not the serial number alone: the two ports' adapters of an NVIDIA GB200 I/O board have the board's.
    """
    paths = {resource.path, *(path for link in links for path in link)}
    # A device is the same as the device that its function belongs to.
    paths |= {path.partition("/PCIeFunctions/")[0] for path in paths}
    return frozenset(paths) | serial_keys(resource)


def serial_keys(resource: Resource) -> frozenset[str]:
    serial = resource.text("SerialNumber")
    beside = filter(None, (resource.text("PartNumber"), resource.text("Model")))
    return frozenset(f"{serial} {other}".lower() for other in beside) if serial else frozenset()


def merged(found: Iterable[Found[T]]) -> list[Found[T]]:
    """In the order of the first mention; what one does not tell, another may."""
    kept: list[Found[T]] = []
    for item in found:
        index = next((i for i, other in enumerate(kept) if other.keys & item.keys), None)
        if index is None:
            kept.append(item)
        else:
            kept[index] = Found(_filled(kept[index].part, item.part), kept[index].keys | item.keys)
    return kept


def _filled(part: T, other: T) -> T:
    known: Any = part
    news = {f.name: getattr(other, f.name) for f in fields(known) if getattr(part, f.name) in (None, ())}
    filled: T = replace(known, **news)
    return filled
