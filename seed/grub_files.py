"""What GRUB finds by TFTP: files, since Debian's signed GRUB speaks no HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pxe import grub
from pxe.images import ImageError
from pxe.ipxe import BootRamdisk
from seed.boot import Boot
from seed.images import Images
from seed.model import Bootable


class GrubFiles:
    """Keeps GRUB's files below TFTP's root equal to what the machines are to boot."""

    def __init__(self, root: Path, boot: Boot, images: Images) -> None:
        self._root = root
        self._boot = boot
        self._images = images

    def write(self, nodes: Iterable[Bootable]) -> None:
        """The scripts of these nodes and of no others, and the ramdisk."""
        if not self._root.exists():
            return  # no seed has served here yet
        _put(self._root / grub.CONFIGURATION, grub.entry_script())
        wanted = {key: script for node in nodes for key, script in self._of(node).items()}
        unknown = self._boot.script_of_unknown()
        if unknown is not None:
            wanted[grub.UNKNOWN] = grub.machine_script(*unknown)
        folder = self._root / grub.MACHINES
        for key, script in wanted.items():
            _put(folder / key, script)
        for path in folder.iterdir() if folder.exists() else ():
            if path.name not in wanted:
                path.unlink()
        if wanted:
            self._link_ramdisk()

    def _of(self, node: Bootable) -> dict[str, str]:
        spec, title = self._boot.script_of(node)
        if isinstance(spec, BootRamdisk) and spec.own_url:
            _put(self._root / grub.own_file(spec), self._boot.own_initramfs(node.uuid))
        script = grub.machine_script(spec, title)
        return dict.fromkeys(grub.keys(node.macs, node.system_uuid, node.facts["serial"]), script)

    def _link_ramdisk(self) -> None:
        try:
            ramdisk = self._images.ramdisk()
        except ImageError:
            return  # whoever boots it says so
        for name, target in ((grub.KERNEL, ramdisk.kernel), (grub.INITRAMFS, ramdisk.initramfs)):
            link = self._root / name
            if not link.is_symlink() or link.readlink() != target:
                link.parent.mkdir(exist_ok=True)
                staged = link.with_suffix(".new")
                staged.unlink(missing_ok=True)
                staged.symlink_to(target)
                staged.replace(link)


def _put(path: Path, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f"{path.name}.new")
    staged.write_bytes(data)
    staged.chmod(0o644)
    staged.replace(path)
