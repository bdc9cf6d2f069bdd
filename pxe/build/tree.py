"""Changing a root file system before it is packed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

# What lies in the ramdisk as it lies here, and the first system's init.
FILES = Path(__file__).parent / "ramdisk_files"


def write(root: Path, path: str, text: str, mode: int = 0o644) -> None:
    """Write a file, its folders too; what was there (say, a link) is replaced, not followed."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.write_text(text)
    file.chmod(mode)


def remove(folder: Path, patterns: Iterable[str]) -> None:
    """Delete files and trees; a pattern that matches nothing (another Debian release) is no error."""
    for pattern in patterns:
        for found in list(folder.glob(pattern)):
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            else:
                found.unlink(missing_ok=True)
