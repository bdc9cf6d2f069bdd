"""The deploy ramdisk: the official ironic-python-agent in a Debian system, as kernel and initramfs."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from pxe import cpio
from pxe.build import (
    agent_package,
    agent_system,
    debian,
    initramfs,
    ramdisk_diet,
    ramdisk_network,
    ramdisk_packages,
    ramdisk_python,
)
from pxe.build.debian import Archive, Rootfs, make_rootfs, read_archive
from pxe.build.manifest import Kind
from pxe.build.ramdisk_packages import FIRMWARE_COMPONENT, Kernel
from pxe.build.recipe import Product, Workshop, fingerprint
from pxe.build.tree import FILES
from pxe.process import ProcessError, require

AGENT_VERSION = "13.0.0"
_SOURCES = (
    *(cpio, debian, agent_package, agent_system, initramfs),
    *(ramdisk_diet, ramdisk_network, ramdisk_packages, ramdisk_python),
)
# The time that every file of a ramdisk bears, unless SOURCE_DATE_EPOCH says another: 2026-01-01.
_EPOCH = 1_767_225_600


@dataclass(frozen=True)
class RamdiskRecipe:
    """The ramdisk for one kernel flavour; `wheels` is a folder to take the agent from, `epoch` in seconds."""

    archive: Archive
    kernel: Kernel = Kernel.CLOUD
    firmware: bool = False
    extra_packages: tuple[str, ...] = ()
    wheels: Path | None = None
    agent_version: str = AGENT_VERSION
    epoch: int = _EPOCH

    @property
    def name(self) -> str:
        """ramdisk-cloud or ramdisk-generic."""
        return f"ramdisk-{self.kernel}"

    @property
    def kind(self) -> Kind:
        """A ramdisk."""
        return "ramdisk"

    def fingerprint(self) -> str:
        """The parameters, the mirrors and the source of this recipe."""
        parameters = {**vars(self), "image manager": agent_package.digest(), "files": _digest(FILES)}
        return fingerprint(parameters, (sys.modules[__name__], *_SOURCES))

    def make(self, workshop: Workshop) -> Product:
        """Install, trim, pack."""
        require("mmdebstrap", "mksquashfs")
        root = workshop.scratch / "root"
        with workshop.progress.phase("Debian packages"):
            self._install_debian(root, workshop.scratch)
            packages = debian.installed_packages(root)
        where = str(self.wheels or "the Python package index")
        with workshop.progress.phase(f"{ramdisk_python.AGENT} {self.agent_version} from {where}"):
            python_packages = ramdisk_python.install_agent(root, self.agent_version, self.wheels)
            agent_package.install(root, ramdisk_python.site_packages(root))
        with workshop.progress.phase("own files and trimming"):
            shutil.move(kernel_of(root), workshop.product / "kernel")
            ramdisk_diet.trim(root)
            ramdisk_python.compile_all(root)
            agent_system.write_system(root, self.epoch)
            ramdisk_python.record_patterns(root)
        with workshop.progress.phase("packing the initramfs"):
            initramfs.pack(root, workshop.scratch, workshop.product / "initramfs", self.epoch)
        parts = {"kernel": "kernel", "initramfs": "initramfs"}
        return Product(parts, packages, python_packages)

    def _install_debian(self, root: Path, scratch: Path) -> None:
        if self.firmware and not self.archive.has(FIRMWARE_COMPONENT):
            raise ProcessError(
                f"Most firmware is in Debian's component {FIRMWARE_COMPONENT}, which the sources lack. "
                "Add it to this machine's apt sources and run apt-get update, or name a mirror that has it: "
                f"--mirror 'deb http://MIRROR/debian {self.archive.codename} main {FIRMWARE_COMPONENT}'"
            )
        wanted = ramdisk_packages.packages(self.kernel, firmware=self.firmware)
        packages = (*wanted, *agent_package.DEBIAN_PACKAGES, *self.extra_packages)
        # INITRD=No: this tree becomes an initramfs, it needs none (initramfs-tools' kernel hook reads this).
        env = {"INITRD": "No", "SOURCE_DATE_EPOCH": str(self.epoch)}
        make_rootfs(self.archive, Rootfs(packages, dpkg_options=debian.UNREAD, env=env), root, scratch)


def recipe(
    kernel: Kernel,
    *,
    firmware: bool = False,
    extra_packages: tuple[str, ...] = (),
    archive: Archive | None = None,
    wheels: Path | None = None,
) -> RamdiskRecipe:
    """The ramdisk recipe; without `archive`, for this machine's mirrors."""
    if firmware and kernel is Kernel.CLOUD:
        raise ProcessError("Virtual machines load no firmware: --with-firmware goes with --kernel generic.")
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", _EPOCH))
    found = archive or read_archive()
    return RamdiskRecipe(found, kernel, firmware, tuple(sorted(set(extra_packages))), wheels, epoch=epoch)


def kernel_of(root: Path) -> Path:
    """The one kernel that was installed."""
    kernels = sorted((root / "boot").glob("vmlinuz-*"))
    if len(kernels) != 1:
        raise ProcessError(f"Expected one kernel in the ramdisk, found {[path.name for path in kernels]}.")
    return kernels[0]


def _digest(folder: Path) -> str:
    """Of all files below a folder, their names too."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = b"".join(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() for path in files)
    return hashlib.sha256(content).hexdigest()
