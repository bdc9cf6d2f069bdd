"""The deploy ramdisk: the official ironic-python-agent in a Debian system, as kernel and initramfs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pxe.build import agent_package, agent_system, debian, ramdisk_diet
from pxe.build.debian import Archive, Rootfs, make_rootfs, read_archive
from pxe.build.manifest import Kind
from pxe.build.progress import Progress
from pxe.build.recipe import Product, Workshop, fingerprint
from pxe.build.tree import write
from pxe.process import ProcessError, require, run

AGENT = "ironic-python-agent"
AGENT_VERSION = "13.0.0"


class Kernel(StrEnum):
    """Cloud: virtio, NVMe and cloud NICs only (no SATA!). Generic: every driver Debian has, with firmware."""

    CLOUD = "cloud"
    GENERIC = "generic"


_SYSTEM = ("systemd-sysv", "udev", "kmod", "iproute2", "procps", "python3", "ca-certificates", "chrony")
# What the agent calls, found by reading its execute() calls and by running it: without psmisc (fuser)
# writing a qcow2 image fails, without bsdextrautils (hexdump) there are warnings.
_TOOLS = (
    *("psmisc", "bsdextrautils", "util-linux", "util-linux-extra", "file", "qemu-utils"),
    *("gdisk", "parted", "fdisk", "e2fsprogs", "dosfstools"),
    *("mdadm", "lvm2", "nvme-cli", "hdparm", "sg3-utils"),
    "dropbear-bin",  # ssh of the rescue system: 0.6 MB packed, where OpenSSH's server is 2.9 MB
    *("efibootmgr", "smartmontools", "ethtool", "lshw", "dmidecode", "ipmitool", "pciutils", "usbutils"),
)
_HARDWARE_TOOLS = ("multipath-tools", "stress-ng", "fio", "mstflint")
# Firmware that NICs and storage controllers load from the file system, by archive component.
_FIRMWARE = {
    "main": ("firmware-linux-free",),
    "non-free-firmware": (
        *("firmware-bnx2", "firmware-bnx2x", "firmware-cavium", "firmware-misc-nonfree"),
        *("firmware-myricom", "firmware-netronome", "firmware-netxen", "firmware-qlogic", "firmware-realtek"),
    ),
}


@dataclass(frozen=True)
class RamdiskRecipe:
    """The ramdisk for one kernel flavour."""

    archive: Archive
    kernel: Kernel = Kernel.CLOUD
    agent_version: str = AGENT_VERSION

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
        parameters: dict[str, object] = {
            "kernel": self.kernel,
            "agent": self.agent_version,
            "archive": self.archive,
        }
        parameters["image manager"] = agent_package.digest()
        return fingerprint(parameters, (sys.modules[__name__], agent_system, ramdisk_diet, debian))

    def make(self, workshop: Workshop) -> Product:
        """Install, trim, pack."""
        require("mmdebstrap", "cpio", "zstd")
        root = workshop.scratch / "root"
        with workshop.progress.phase("Debian packages"):
            self._install_debian(root, workshop)
            packages = debian.installed_packages(root)
        with workshop.progress.phase(f"{AGENT} {self.agent_version} from the Python package index"):
            python_packages = install_agent(root, self.agent_version)
            agent_package.install(root, site_packages(root))
        with workshop.progress.phase("units and trimming"):
            write_system(root)
            shutil.move(kernel_of(root), workshop.product / "kernel")
            ramdisk_diet.trim(root)
        with workshop.progress.phase("packing the initramfs"):
            pack(root, workshop.scratch / "initramfs.cpio", workshop.product / "initramfs")
        parts = {"kernel": "kernel", "initramfs": "initramfs"}
        return Product(parts, packages, python_packages)

    def _install_debian(self, root: Path, workshop: Workshop) -> None:
        tools = (*_TOOLS, *agent_package.DEBIAN_PACKAGES)
        packages = (*_SYSTEM, *tools, *self._kernel_packages(workshop.progress))
        # INITRD=No: this tree becomes an initramfs, it needs none (initramfs-tools' kernel hook reads this).
        wanted = Rootfs(packages, dpkg_options=debian.UNREAD, env={"INITRD": "No"})
        make_rootfs(self.archive, wanted, root, workshop.scratch)

    def _kernel_packages(self, progress: Progress) -> Iterator[str]:
        if self.kernel is Kernel.CLOUD:
            yield "linux-image-cloud-amd64"
            return
        yield "linux-image-amd64"
        yield from _HARDWARE_TOOLS
        for component, packages in _FIRMWARE.items():
            if self.archive.has(component):
                yield from packages
            else:
                progress.note(
                    f"No {component} in this machine's apt sources: NICs and controllers that load firmware "
                    f"({', '.join(packages)}) may stay dark. Add the component, then: apt-get update"
                )


def recipe(kernel: Kernel) -> RamdiskRecipe:
    """The ramdisk recipe for this machine's mirrors."""
    return RamdiskRecipe(read_archive(), kernel)


def install_agent(root: Path, version: str) -> tuple[str, ...]:
    """Put the agent where the ramdisk's Python looks for it; pip's own configuration says where from."""
    target = root / site_packages(root).relative_to("/")
    python = target.parts[-2].removeprefix("python")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(target)]
    if python != f"{sys.version_info.major}.{sys.version_info.minor}":
        pip += ["--python-version", python, "--only-binary=:all:"]
    pip_settings = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "XDG_"))}
    pip_settings |= {n: os.environ[n] for n in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE") if n in os.environ}
    run([*pip, f"{AGENT}=={version}"], env={**pip_settings, "PIP_ROOT_USER_ACTION": "ignore"})
    found = sorted(path.name.removesuffix(".dist-info") for path in target.glob("*.dist-info"))
    return tuple("=".join(name.rsplit("-", 1)) for name in found)


def site_packages(root: Path) -> Path:
    """Where Debian's Python looks for local packages, as seen from inside the tree."""
    versions = sorted(path.name for path in (root / "usr/lib").glob("python3.*"))
    if not versions:
        raise ProcessError(f"No Python under {root}/usr/lib: the package list of the ramdisk is wrong.")
    return Path("/usr/local/lib") / versions[-1] / "dist-packages"


def kernel_of(root: Path) -> Path:
    """The one kernel that was installed."""
    kernels = sorted((root / "boot").glob("vmlinuz-*"))
    if len(kernels) != 1:
        raise ProcessError(f"Expected one kernel in the ramdisk, found {[path.name for path in kernels]}.")
    return kernels[0]


def write_system(root: Path) -> None:
    """Write the agent's units, and start nothing else."""
    for path, (text, mode) in agent_system.FILES.items():
        write(root, path, text, mode)
    for wants in (*root.glob("etc/systemd/system/*.wants"), *root.glob("usr/lib/systemd/system/*.wants")):
        _keep_only(wants, agent_system.KEPT_AT_SYSINIT)
    wanted = root / "etc/systemd/system/multi-user.target.wants"
    wanted.mkdir(exist_ok=True)
    for unit, path in agent_system.ENABLED.items():
        (wanted / unit).symlink_to(path)
    (root / "etc/systemd/system/default.target").symlink_to("/usr/lib/systemd/system/multi-user.target")
    (root / "init").symlink_to("usr/lib/systemd/systemd")


def _keep_only(wants: Path, kept: tuple[str, ...]) -> None:
    if wants.name == "sockets.target.wants":  # journald's and udevd's own sockets
        kept = (*kept, *(link.name for link in wants.glob("systemd-journald*")))
        kept = (*kept, *(link.name for link in wants.glob("systemd-udevd*")))
    for link in wants.iterdir():
        if link.name not in kept:
            link.unlink()


def pack(root: Path, archive: Path, initramfs: Path) -> None:
    """Make the initramfs: cpio (newc) and zstd, which the kernel unpacks several times faster than gzip."""
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    listing = "\0".join([".", *names]).encode() + b"\0"
    run(
        ["cpio", "--null", "--create", "--format=newc", "--quiet"], cwd=root, stdin=listing, stdout_to=archive
    )
    run(["zstd", "--quiet", "-9", "-T0", archive, "-o", initramfs])
    initramfs.chmod(0o644)
    archive.unlink()
