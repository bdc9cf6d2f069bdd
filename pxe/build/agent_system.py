"""What is written into the ramdisk besides packages: its init, the agent's start and configuration."""

from __future__ import annotations

import shutil
from pathlib import Path

from pxe.build import ramdisk_network
from pxe.build.tree import FILES, write

OWN = "usr/lib/undercloud"
_PROGRAMS = ("init", "agent", "dhcp-event")
_TEXTS = {
    "etc/hostname": "ramdisk\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 ramdisk\n",
    "etc/fstab": "",
    "etc/resolv.conf": "",
}


def write_system(root: Path, epoch: int) -> None:
    """Put our own files into the tree; `epoch` in seconds is what its clock shows at least."""
    for folder in ("etc", "usr"):
        shutil.copytree(FILES / folder, root / folder, dirs_exist_ok=True)
    for path, text in _TEXTS.items():
        write(root, path, text)
    write(root, f"{OWN}/built", f"{epoch}\n")
    write(root, ramdisk_network.PATH, Path(ramdisk_network.__file__).read_text(), 0o755)
    for program in _PROGRAMS:
        (root / OWN / program).chmod(0o755)
