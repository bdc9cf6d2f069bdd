"""RAID 1 of Linux (md) under the root partition of a whole-disk image, on two disks that each boot alone.

Everything else on the disks, GRUB for BIOS and the EFI system partition too, is there twice. The superblock
is at the partition's end (metadata 1.0, md(4)): what reads a partition without md finds the file system.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from .order import NotWritten
from .target import BLOCK, Target, aligned

_SYS = Path("/sys")
NAME = "root"


def arrays(sys: Path = _SYS) -> dict[str, dict[str, str]]:
    """The arrays that there are, also those that do not run: device → its members, each with its disk."""
    found = {}
    for array in sorted(sys.glob("block/md*")):
        members = [member.resolve() for member in array.glob("slaves/*")]
        found[f"/dev/{array.name}"] = {f"/dev/{member.name}": f"/dev/{_disk(member)}" for member in members}
    return found


def _disk(member: Path) -> str:
    """sysfs has partitions in the folders of their disks."""
    return member.parent.name if (member / "partition").exists() else member.name


def release(disks: Iterable[str], sys: Path = _SYS) -> None:
    """Dissolve the arrays on these disks, which are to be written; raises NotWritten if others take part."""
    wanted = set(disks)
    ours = {array: parts for array, parts in arrays(sys).items() if wanted & set(parts.values())}
    for array, members in ours.items():
        if others := set(members.values()) - wanted:
            raise NotWritten(
                f"{array} is a RAID of {', '.join(sorted(members))}, and {', '.join(sorted(others))} is not "
                "to be written: clean the node first, which erases all of them"
            )
    _dissolve(ours)


def release_all() -> None:
    """Dissolve every array: the agent leaves disks alone that are in one, also when it is to erase them."""
    _dissolve(arrays())


def _dissolve(found: dict[str, dict[str, str]]) -> None:
    for array, members in found.items():
        _call("mdadm", "--stop", array)
        for member in members:
            _call("mdadm", "--zero-superblock", member)
    if found:
        settle()


def copy(source: str, disk: str, length: int) -> None:
    """Have the first `length` bytes of `disk` read as those of `source`; its partition table comes last."""
    block = aligned()
    with Path(source).open("rb", buffering=0) as file, Target(disk) as target:
        if length > target.size:
            raise NotWritten(f"{disk} has {target.size} bytes, the image needs {length}")
        target.clear(length)
        for offset in range(0, length, BLOCK):
            part = block[: min(BLOCK, length - offset)]
            if file.readinto(part) != len(part):
                raise NotWritten(f"{source} cannot be read at byte {offset}")
            target.put(offset, part)
        target.finish()


def create(members: Iterable[str]) -> None:
    """Make the array, its disks being alike as far as the file system has written.

    No resynchronisation (--assume-clean): what differs is what nobody wrote since, and nobody reads. The
    bitmap saves one after a power failure. "any": the array belongs to whichever host has its disks.
    """
    settle()
    options = ["--run", "--level=1", "--metadata=1.0", "--assume-clean", "--bitmap=internal"]
    parts = list(members)
    identity = ["--homehost=any", f"--name={NAME}", f"--raid-devices={len(parts)}"]
    _call("mdadm", "--create", f"/dev/md/{NAME}", *options, *identity, *parts)
    settle()
    _call("mdadm", "--stop", f"/dev/md/{NAME}")


def settle() -> None:
    """Wait until udev has looked at all that is new: meanwhile nobody else can have it."""
    _call("udevadm", "settle")


def _call(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-300:]
        raise NotWritten(f"{' '.join(command[:2])} failed on {command[-1]}: {said}")
