"""What the ramdisk can do without. Every unpacked megabyte costs memory and boot time on every machine."""

from __future__ import annotations

from pathlib import Path

from pxe.build.tree import remove
from pxe.process import run

# Folders of the kernel's modules; nothing here is a disk, a controller or a wired NIC.
_MODULES = (
    *("sound", "arch/x86/kvm", "net/bluetooth", "net/wireless", "net/mac80211", "net/nfc", "net/can"),
    *("net/atm", "net/openvswitch", "net/netfilter", "net/sched", "net/sunrpc", "net/ceph", "net/rds"),
    *("net/tipc", "net/sctp", "drivers/gpu", "drivers/media", "drivers/staging", "drivers/iio"),
    *("drivers/comedi", "drivers/bluetooth", "drivers/net/wireless", "drivers/net/can"),
    *("drivers/net/wwan", "drivers/isdn", "drivers/nfc", "drivers/pcmcia", "drivers/input/joystick"),
    *("drivers/input/tablet", "drivers/input/touchscreen", "drivers/leds"),
    *("drivers/power/supply", "drivers/extcon", "drivers/parport", "drivers/usb/gadget"),
    *("drivers/video", "drivers/vhost", "drivers/target", "drivers/android", "drivers/firewire"),
    *("fs/nfs", "fs/nfsd", "fs/smb", "fs/ceph", "fs/ocfs2", "fs/gfs2", "fs/afs", "fs/coda", "fs/jfs"),
    *("fs/reiserfs", "fs/hfs", "fs/hfsplus", "fs/ubifs", "fs/jffs2", "fs/nilfs2", "fs/lockd", "fs/dlm"),
    *("fs/orangefs", "fs/9p"),
)
# The package manager's own things: nothing is installed into a running ramdisk.
_PACKAGE_MANAGEMENT = (
    *("usr/lib/apt", "var/lib/apt", "var/lib/dpkg", "var/cache", "var/log", "usr/share/debconf"),
    *("usr/share/perl", "usr/share/perl5", "usr/bin/perl*", "usr/bin/apt*", "usr/bin/dpkg*"),
    *("usr/lib/*/perl", "usr/lib/*/perl-base", "usr/lib/*/libperl.so.*", "usr/lib/*/libapt-*"),
    *("usr/share/initramfs-tools", "etc/apt", "etc/kernel", "usr/lib/klibc", "usr/lib/dracut"),
)
_UNUSED = (
    *("boot", "usr/share/doc", "usr/share/locale", "usr/share/i18n", "usr/share/bash-completion"),
    # 13 MB, rebuilt from hwdb.d; the agent reads names from sysfs and pci.ids.
    *("usr/lib/udev/hwdb.bin", "usr/lib/udev/hwdb.d"),
    *("usr/lib/*/gconv", "usr/bin/qemu-nbd", "usr/bin/qemu-io", "usr/bin/localedef", "usr/share/zsh"),
    *("usr/lib/python3*/pydoc_data", "usr/lib/python3*/lib2to3", "usr/lib/python3*/ensurepip"),
)
# setuptools comes with pbr, which needs it only to build packages; its .pth file costs time at every start.
_PYTHON = ("setuptools*", "_distutils_hack", "distutils-precedence.pth", "tzdata*", "bin", "*/tests")


def trim(root: Path) -> None:
    """Drop what is not used, then refresh what depends on it (module index, byte code)."""
    remove(root, (*_PACKAGE_MANAGEMENT, *_UNUSED))
    for folder in root.glob("usr/local/lib/python3*/dist-packages"):
        remove(folder, _PYTHON)
    for modules in root.glob("usr/lib/modules/*"):
        for name in unneeded_modules((modules / "modules.dep").read_text()):
            (modules / name).unlink()
        run(["chroot", root, "/usr/sbin/depmod", modules.name])
    _keep_utc_only(root / "usr/share/zoneinfo")
    _compile(root)
    for name in ("var/log", "var/cache"):
        (root / name).mkdir(exist_ok=True)


def unneeded_modules(modules_dep: str) -> set[str]:
    """Of the modules in modules.dep(5), those in a folder we drop that no kept module depends on."""
    needs = dict(line.split(":", 1) for line in modules_dep.splitlines())
    dropped = {name for name in needs if any(name.startswith(f"kernel/{folder}/") for folder in _MODULES)}
    needed = {name for kept in needs.keys() - dropped for name in needs[kept].split()}
    return dropped - needed


def _compile(root: Path) -> None:
    """Byte-compile what pip installed. Unchecked: nobody edits a ramdisk, no times to compare."""
    options = ("-q", "-j0", "--invalidation-mode", "unchecked-hash")
    run(["chroot", root, "/usr/bin/python3", "-m", "compileall", *options, "/usr/local/lib"])


def _keep_utc_only(zoneinfo: Path) -> None:
    for path in zoneinfo.glob("*"):
        if path.name not in ("UTC", "Etc"):
            remove(zoneinfo, (path.name,))
