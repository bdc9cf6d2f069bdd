"""The OS image: Debian as a whole disk that boots on BIOS and UEFI, configured by a config drive."""

from __future__ import annotations

import re
import shlex
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from pxe.build import debian, disk, os_system
from pxe.build.debian import Archive, Rootfs, make_rootfs, read_archive
from pxe.build.disk import MIB
from pxe.build.manifest import Kind
from pxe.build.ramdisk_packages import Kernel
from pxe.build.recipe import Product, Workshop, fingerprint
from pxe.build.tree import remove, write
from pxe.process import require, run

_TOOLS = ("mmdebstrap", "sgdisk", "mformat", "mke2fs", "zstd")
_PACKAGES = (
    *("systemd-sysv", "systemd-resolved", "udev", "dbus", "kmod", "initramfs-tools", "zstd", "iproute2"),
    *("iputils-ping", "iptables", "ca-certificates", "procps", "less", "apt-utils", "sudo"),
    # netplan: cloud-init's renderer for systemd-networkd alone knows neither bonds nor VLANs
    *("cloud-init", "netplan.io", "cloud-guest-utils", "gdisk", "openssh-server", "python3"),
    *("podman", "crun", "netavark", "aardvark-dns", "containerd", "runc"),
    *("grub2-common", "grub-pc-bin", "grub-efi-amd64-bin"),
    *("grub-efi-amd64-signed", "shim-signed", "efibootmgr"),
    "mdadm",  # assembles the root file system of a host with software_raid
)
# Built into GRUB's core image for BIOS: enough to find and start a kernel on an ext4 partition.
_GRUB_MODULES = (
    *("biosdisk", "part_gpt", "ext2", "normal", "configfile", "search", "search_fs_uuid", "linux", "echo"),
    *("boot", "serial", "terminal", "test", "gzio", "regexp"),
)


@dataclass(frozen=True)
class OSRecipe:
    """Debian for this machine's release; `disk_size` in bytes, the root file system grows at first boot."""

    archive: Archive
    name: str
    kernel: Kernel = Kernel.CLOUD
    disk_size: int = 2048 * MIB

    @property
    def kind(self) -> Kind:
        """An OS."""
        return "os"

    def fingerprint(self) -> str:
        """The parameters, the mirrors and the source of this recipe."""
        parameters = {"kernel": self.kernel, "size": self.disk_size, "archive": self.archive}
        return fingerprint(parameters, (sys.modules[__name__], os_system, disk, debian))

    def make(self, workshop: Workshop) -> Product:
        """Install, configure, lay out, compress."""
        require(*_TOOLS)
        tree, raw = workshop.scratch / "root", workshop.scratch / "disk.raw"
        ids = Identity.of(self.fingerprint())
        with workshop.progress.phase("Debian packages"):
            self._install(tree, workshop)
            packages = debian.installed_packages(tree)
        with workshop.progress.phase("configuration and boot loaders"):
            configure(tree, ids)
            core = make_bios_core(tree)
        with workshop.progress.phase("partitions and file systems"):
            assemble(raw, disk.layout(self.disk_size), tree, core, ids)
        with workshop.progress.phase("compressing the image"):
            compress(raw, workshop.product / "disk.raw.zst")
        size = self.disk_size
        return Product(
            {"disk": "disk.raw.zst"}, packages, disk_format="raw", compression="zstd", virtual_size=size
        )

    def _install(self, tree: Path, workshop: Workshop) -> None:
        kernel = {Kernel.CLOUD: "linux-image-cloud-amd64", Kernel.GENERIC: "linux-image-amd64"}[self.kernel]
        hook = workshop.scratch / "raid-hook"
        hook.write_text(os_system.RAID_HOOK)
        # Before packages are configured: that makes the initramfs.
        setup = f'install -D -m 755 {shlex.quote(str(hook))} "$1"/{os_system.RAID_HOOK_PATH}'
        rootfs = Rootfs((*_PACKAGES, kernel), dpkg_options=debian.UNREAD, setup=(setup,))
        make_rootfs(self.archive, rootfs, tree, workshop.scratch)


@dataclass(frozen=True)
class Identity:
    """What tells this image's file systems apart from others'."""

    root_uuid: str
    esp_id: str  # XXXX-XXXX, as blkid prints a FAT volume id

    @classmethod
    def of(cls, recipe: str) -> Identity:
        """The same recipe gives the same identifiers."""
        number = uuid.uuid5(uuid.NAMESPACE_OID, recipe)
        short = number.hex[:8].upper()
        return cls(str(number), f"{short[:4]}-{short[4:]}")


def recipe(name: str, kernel: Kernel) -> OSRecipe:
    """The OS image recipe for this machine's mirrors."""
    return OSRecipe(read_archive(), name, kernel)


def configure(tree: Path, ids: Identity) -> None:
    """Write configuration, decide what starts, and remove what must be unique per host."""
    for path, text in os_system.files(ids.root_uuid, ids.esp_id).items():
        write(tree, path, text)
    for path, text in os_system.PROGRAMS.items():
        write(tree, path, text, mode=0o755)
    systemd = tree / "etc/systemd/system"
    _disable(systemd, {*os_system.DISABLED, *os_system.MASKED})
    for unit in os_system.MASKED:
        (systemd / unit).symlink_to("/dev/null")
    for target, unit in os_system.ENABLED.items():
        _enable(systemd / f"{target}.wants", unit)
    resolv = tree / "etc/resolv.conf"
    resolv.unlink(missing_ok=True)
    resolv.symlink_to("../run/systemd/resolve/stub-resolv.conf")
    (tree / "boot/efi").mkdir(exist_ok=True)
    remove(tree, os_system.REMOVED)
    _without_mirror_passwords(tree / "etc/apt/sources.list")


def _disable(systemd: Path, units: set[str]) -> None:
    # Not glob("*.wants/NAME"): it skips links that point to where there is nothing on the building machine.
    for wants in systemd.glob("*.wants"):
        for link in wants.iterdir():
            if link.name in units:
                link.unlink()


def _enable(wants: Path, unit: str) -> None:
    wants.mkdir(exist_ok=True)
    link = wants / unit
    link.unlink(missing_ok=True)
    link.symlink_to(f"/usr/lib/systemd/system/{unit}")


def _without_mirror_passwords(sources: Path) -> None:
    """The host keeps the mirrors it was built from, but not this machine's credentials for them."""
    if sources.exists():
        sources.write_text(re.sub(r"(?<=://)[^/@\s]+@", "", sources.read_text()))


def make_bios_core(tree: Path) -> bytes:
    """GRUB's core image, made by the tree's own GRUB so that it fits its modules."""
    make = [
        "grub-mkimage",
        "-O",
        "i386-pc",
        "-p",
        "(,gpt3)/boot/grub",
        "-o",
        "/boot/grub/core.img",
        *_GRUB_MODULES,
    ]
    (tree / "boot/grub/i386-pc").mkdir(parents=True, exist_ok=True)
    run(["chroot", tree, *make])
    for module in (tree / "usr/lib/grub/i386-pc").glob("*"):
        if module.suffix in (".mod", ".lst"):
            (tree / "boot/grub/i386-pc" / module.name).write_bytes(module.read_bytes())
    core = tree / "boot/grub/core.img"
    content = core.read_bytes()
    core.unlink()
    return content


def compress(raw: Path, packed: Path) -> None:
    """Make the image that travels: raw, which the ramdisk writes as it comes, whatever memory it has."""
    run(["zstd", "--quiet", "-9", "-T0", raw, "-o", packed])
    packed.chmod(0o644)


def assemble(raw: Path, plan: disk.Layout, tree: Path, core: bytes, ids: Identity) -> None:
    """Put everything at its place in the disk."""
    boot = (tree / "usr/lib/grub/i386-pc/boot.img").read_bytes()
    disk.partition(raw, plan)
    disk.fill_esp(raw, plan.esp, ids.esp_id.replace("-", ""), esp_files(tree, raw.parent, ids.root_uuid))
    disk.fill_root(raw, plan.root, tree, ids.root_uuid)
    disk.install_bios_grub(raw, plan.bios, boot, core)


def esp_files(tree: Path, scratch: Path, root_uuid: str) -> dict[str, Path]:
    """Signed shim and GRUB, under Debian's name and under the one that firmware tries without being told."""
    shim, grub = tree / "usr/lib/shim", tree / "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
    config = scratch / "esp-grub.cfg"
    config.write_text(os_system.esp_grub_config(root_uuid))
    return {
        "EFI/debian/shimx64.efi": shim / "shimx64.efi.signed",
        "EFI/debian/grubx64.efi": grub,
        "EFI/debian/mmx64.efi": shim / "mmx64.efi.signed",
        "EFI/debian/BOOTX64.CSV": shim / "BOOTX64.CSV",
        "EFI/debian/grub.cfg": config,
        "EFI/BOOT/BOOTX64.EFI": shim / "shimx64.efi.signed",
        "EFI/BOOT/grubx64.efi": grub,
        "EFI/BOOT/mmx64.efi": shim / "mmx64.efi.signed",
    }
