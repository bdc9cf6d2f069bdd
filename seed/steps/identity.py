"""Is this the machine, and is this the disk, that the operator meant? Asked before anything is destroyed."""

from __future__ import annotations

from hwdrivers.inventory import Disk, Inventory
from profiles.hosts import Host
from profiles.root_device import RootDevice
from seed.model import Node

GIB = 1024**3


class NoSuchDisk(ValueError):
    """No disk, or more than one, is what the hints say; the message lists the disks."""


def mismatch(node: Node, report: Inventory) -> str | None:
    """Why the machine that called home is not the node; None when nothing contradicts it."""
    if node.serial and report.serial and node.serial != report.serial:
        return (
            f"the machine that booted has serial {report.serial}, node '{node.name}' has {node.serial}: "
            "its BMC and its NICs belong to two machines; check the cabling and the MACs"
        )
    known = set(node.macs)
    found = {nic.mac for nic in report.nics if nic.mac}
    if known and found and not known & found:
        return f"none of the machine's NICs ({', '.join(sorted(found))}) is known for node '{node.name}'"
    return None


def choose_disk(report: Inventory, hints: RootDevice | None, image_bytes: int) -> Disk:
    """The one disk that all hints fit; without hints, the smallest that takes the image (as Ironic does).

    Raises NoSuchDisk: a wrong guess here is a wrong disk written.
    """
    disks = _fitting(report, hints)
    if not disks:
        raise NoSuchDisk(f"no disk fits the root device hints {_words(hints)}; there are: {table_of(report)}")
    if hints is not None and len(disks) > 1:
        raise NoSuchDisk(
            f"{len(disks)} disks fit the root device hints {_words(hints)}; there are: {table_of(report)}"
        )
    # A disk whose size nobody tells is taken only where hints name it.
    large = [disk for disk in disks if (disk.size_bytes or (image_bytes if hints else 0)) >= image_bytes]
    if not large:
        raise NoSuchDisk(_too_small(report, image_bytes))
    return min(large, key=lambda disk: (disk.size_bytes or 0, disk.name))


def choose_disks(report: Inventory, host: Host, image_bytes: int) -> tuple[Disk, ...]:
    """What a deploy of this host writes over: one disk, or two for a software RAID; raises NoSuchDisk."""
    hints = host.root_device
    if not host.software_raid:
        return (choose_disk(report, hints, image_bytes),)
    disks = _fitting(report, hints)
    if len(disks) != 2:
        raise NoSuchDisk(
            f"software_raid takes two disks, and the root device hints {_words(hints)} fit {len(disks)}; "
            f"there are: {table_of(report)}"
        )
    if any((disk.size_bytes or image_bytes) < image_bytes for disk in disks):
        raise NoSuchDisk(_too_small(report, image_bytes))
    return tuple(sorted(disks, key=lambda disk: disk.name))


def _fitting(report: Inventory, hints: RootDevice | None) -> list[Disk]:
    """An array of Linux that an earlier host left behind is no disk: firmware cannot boot what is in it."""
    disks = [disk for disk in report.disks if not disk.name.startswith("/dev/md")]
    return [disk for disk in disks if hints is None or hints.fits(disk)]


def _too_small(report: Inventory, image_bytes: int) -> str:
    return (
        f"the image needs {image_bytes / GIB:.1f} GiB, more than a fitting disk has; there are: "
        f"{table_of(report)}"
    )


def disks_of(report: Inventory) -> str:
    """The disks in one line, for the journal: name, size, serial."""
    return "; ".join(describe(disk) for disk in report.disks) or "none"


def table_of(report: Inventory) -> str:
    """A table of the disks, as hints can name them; it begins on a line of its own."""
    rows = [("NAME", "GIB", "SERIAL", "WWN", "MODEL", "BY-PATH"), *map(_row, report.disks)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(["", *lines]) if report.disks else "none"


def _row(disk: Disk) -> tuple[str, ...]:
    size = f"{disk.size_bytes / GIB:.1f}" if disk.size_bytes else None
    told = (size, disk.serial, disk.wwn, disk.model, disk.by_path)
    return (disk.name, *(value or "-" for value in told))


def describe(disk: Disk) -> str:
    size = f"{disk.size_bytes / GIB:.1f} GiB" if disk.size_bytes else "unknown size"
    return f"{disk.name} {size} serial {disk.serial or 'unknown'}"


def _words(hints: RootDevice | None) -> str:
    return str(hints.model_dump(exclude_none=True)) if hints else "(none)"
