"""The same part told by several documents is one part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, TypeVar

from hwdrivers.redfish.inventory.resource import Resource

T = TypeVar("T")


@dataclass(frozen=True)
class Found(Generic[T]):
    """A part, what tells that another document means the same one, and the paths of those that did."""

    part: T
    keys: frozenset[str]
    documents: frozenset[str] = frozenset()


def own(resource: Resource) -> frozenset[str]:
    """The document itself."""
    return frozenset([resource.path])


def keys_of(resource: Resource, *links: Iterable[str]) -> frozenset[str]:
    """Its own path, what it is linked to, and its serial number with its part number or model."""
    paths = {resource.path, *(path for link in links for path in link)}
    # A device is the same as the device that its function belongs to.
    paths |= {path.partition("/PCIeFunctions/")[0] for path in paths}
    return frozenset(paths) | serial_keys(resource)


def serial_keys(resource: Resource) -> frozenset[str]:
    serial = resource.text("SerialNumber")
    beside = filter(None, (resource.text("PartNumber"), resource.text("Model")))
    return frozenset(f"{serial} {other}".lower() for other in beside) if serial else frozenset()


def merged(items: Iterable[Found[T]]) -> list[Found[T]]:
    """In the order of the first mention; what one does not tell, another may.

    Two members of one collection are two parts, though both may have the serial number of the board that they
    are on (the adapters of NVIDIA GB200 I/O boards).
    """
    kept: list[Found[T]] = []
    for item in items:
        index = next((i for i, other in enumerate(kept) if _is_same(other, item)), None)
        if index is None:
            kept.append(item)
        else:
            other = kept[index]
            part = _filled(other.part, item.part)
            kept[index] = Found(part, other.keys | item.keys, other.documents | item.documents)
    return kept


def _is_same(one: Found[T], other: Found[T]) -> bool:
    if one.documents & other.documents:
        return True
    return bool(one.keys & other.keys) and not _collections(one) & _collections(other)


def _collections(item: Found[T]) -> set[str]:
    return {path.rpartition("/")[0] for path in item.documents}


def _filled(part: T, other: T) -> T:
    known: Any = part
    news = {f.name: getattr(other, f.name) for f in fields(known) if getattr(part, f.name) in (None, ())}
    filled: T = replace(known, **news)
    return filled
