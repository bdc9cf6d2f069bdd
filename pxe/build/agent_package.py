"""Puts our hardware manager (pxe/build/agent/) into a ramdisk, where the official agent finds it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

PACKAGE = "undercloud_agent"
# Besides what the agent needs as well: fallocate (util-linux), sgdisk (gdisk), qemu-img (qemu-utils).
DEBIAN_PACKAGES = ("python3-zstandard",)
SOURCE = Path(__file__).with_name("agent")

# The agent asks for managers by entry point (ironic_python_agent/hardware.py, `_get_extensions`).
_ENTRY_POINTS = f"[ironic_python_agent.hardware_managers]\nundercloud = {PACKAGE}.hardware:ImageManager\n"
_METADATA = f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1\n"


def digest() -> str:
    """Of all that `install` copies."""
    content = b"".join(path.read_bytes() for path in sorted(SOURCE.glob("*.py")))
    return hashlib.sha256(content + (_ENTRY_POINTS + _METADATA).encode()).hexdigest()


def install(root: Path, site_packages: Path) -> None:
    """Copy the package below `root`; `site_packages` as seen from inside, where the agent is as well."""
    target = root / site_packages.relative_to("/")
    shutil.copytree(SOURCE, target / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    information = target / f"{PACKAGE}-1.dist-info"
    information.mkdir()
    (information / "entry_points.txt").write_text(_ENTRY_POINTS)
    (information / "METADATA").write_text(_METADATA)
