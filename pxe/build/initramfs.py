"""The ramdisk as one file: a small first system, and in it the whole one, compressed, read when needed."""

from __future__ import annotations

from pathlib import Path

from pxe.build.tree import FILES
from pxe.cpio import newc
from pxe.process import ProcessError, run

FIRST_INIT = "first-init"
# What the first system needs of the kernel before it can read the second.
_MODULES = ("loop", "squashfs", "overlay")
_FOLDERS = ("proc", "dev", "system", "written", "ramdisk")
_SQUASHFS = (
    *("-quiet", "-no-progress", "-noappend", "-all-root", "-no-xattrs", "-no-exports"),
    *("-comp", "zstd", "-Xcompression-level", "9"),
)


def pack(root: Path, scratch: Path, initramfs: Path, epoch: int) -> None:
    """Write the initramfs of a finished tree; the same tree and `epoch` (seconds) give the same bytes."""
    system = scratch / "system.squashfs"
    times = ("-mkfs-time", str(epoch), "-all-time", str(epoch))
    run(["mksquashfs", root, system, *_SQUASHFS, *times])
    modules = first_modules(root)
    files = {
        "init": (FILES / FIRST_INIT).read_bytes(),
        "bin/busybox": (root / "usr/bin/busybox").read_bytes(),
        "modules/order": "".join(f"{module.name}\n" for module in modules).encode(),
        **{f"modules/{module.name}": module.read_bytes() for module in modules},
        "system.squashfs": system.read_bytes(),
    }
    initramfs.write_bytes(newc(files, programs=("init", "bin/busybox"), folders=_FOLDERS))
    initramfs.chmod(0o644)
    system.unlink()


def first_modules(root: Path) -> list[Path]:
    """The kernel modules of the first system, each after those that it needs (modules.dep(5))."""
    folder = next((root / "usr/lib/modules").iterdir())
    needs = dict(line.split(":", 1) for line in (folder / "modules.dep").read_text().splitlines())
    order: list[str] = []
    for module in _MODULES:
        found = [path for path in needs if Path(path).stem == module]
        if not found and not _built_in(folder, module):
            raise ProcessError(f"The kernel {folder.name} has no module {module}, which the ramdisk needs.")
        for path in found:  # modules.dep lists what is to be loaded last first
            order += [path, *needs[path].split()][::-1]
    return [folder / path for path in dict.fromkeys(order)]


def _built_in(folder: Path, module: str) -> bool:
    return any(Path(line).stem == module for line in (folder / "modules.builtin").read_text().splitlines())
