"""What the ramdisk can do without. Every unpacked megabyte costs memory and boot time on every machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from pxe.process import run

# Relative to the kernel's module folder; nothing here is a disk, a controller or a wired NIC.
_MODULES = (
    *(
        "sound",
        "arch/x86/kvm",
        "net/bluetooth",
        "net/wireless",
        "net/mac80211",
        "net/nfc",
        "net/can",
        "net/atm",
    ),
    *(
        "net/openvswitch",
        "net/netfilter",
        "net/sched",
        "net/sunrpc",
        "net/ceph",
        "net/rds",
        "net/tipc",
        "net/sctp",
    ),
    *(
        "drivers/gpu",
        "drivers/media",
        "drivers/staging",
        "drivers/iio",
        "drivers/comedi",
        "drivers/bluetooth",
    ),
    *(
        "drivers/net/wireless",
        "drivers/net/can",
        "drivers/net/wwan",
        "drivers/isdn",
        "drivers/nfc",
        "drivers/pcmcia",
    ),
    *("drivers/input/joystick", "drivers/input/tablet", "drivers/input/touchscreen", "drivers/gnss"),
    *("drivers/leds", "drivers/power/supply", "drivers/extcon", "drivers/parport", "drivers/usb/gadget"),
    *("drivers/video", "drivers/vhost", "drivers/target", "drivers/android", "drivers/firewire"),
    *(
        "fs/nfs",
        "fs/nfsd",
        "fs/smb",
        "fs/ceph",
        "fs/ocfs2",
        "fs/gfs2",
        "fs/afs",
        "fs/coda",
        "fs/jfs",
        "fs/reiserfs",
    ),
    *(
        "fs/hfs",
        "fs/hfsplus",
        "fs/ubifs",
        "fs/jffs2",
        "fs/nilfs2",
        "fs/lockd",
        "fs/dlm",
        "fs/orangefs",
        "fs/9p",
    ),
)
# The package manager's own things: nothing is installed into a running ramdisk.
_PACKAGE_MANAGEMENT = (
    *(
        "usr/lib/apt",
        "var/lib/apt",
        "var/lib/dpkg",
        "var/cache",
        "var/log",
        "usr/share/perl",
        "usr/share/perl5",
    ),
    *(
        "usr/lib/x86_64-linux-gnu/perl",
        "usr/lib/x86_64-linux-gnu/perl-base",
        "usr/lib/x86_64-linux-gnu/libperl.so.*",
    ),
    *(
        "usr/lib/x86_64-linux-gnu/libapt-*",
        "usr/bin/perl*",
        "usr/bin/apt*",
        "usr/bin/dpkg*",
        "usr/share/debconf",
    ),
    *("usr/share/initramfs-tools", "etc/apt", "etc/kernel", "usr/lib/klibc", "usr/lib/dracut"),
)
_UNUSED = (
    *(
        "boot",
        "usr/share/doc",
        "usr/share/locale",
        "usr/share/i18n",
        "usr/share/bash-completion",
        "usr/share/zsh",
    ),
    # 13 MB, rebuilt from hwdb.d; the agent reads names from sysfs and pci.ids.
    *("usr/lib/udev/hwdb.bin", "usr/lib/udev/hwdb.d"),
    *("usr/lib/x86_64-linux-gnu/gconv", "usr/bin/qemu-nbd", "usr/bin/qemu-io", "usr/bin/localedef"),
    *("usr/lib/python3*/pydoc_data", "usr/lib/python3*/lib2to3", "usr/lib/python3*/ensurepip"),
)
# setuptools comes with pbr, which needs it only to build packages; its .pth file costs time at every start.
_PYTHON = ("setuptools*", "_distutils_hack", "distutils-precedence.pth", "pkg_resources", "tzdata*", "bin")


def trim(root: Path) -> None:
    """Drop what is not used, then refresh what depends on it (module index, byte code)."""
    remove(root, (*_PACKAGE_MANAGEMENT, *_UNUSED))
    for folder in root.glob("usr/local/lib/python3*/dist-packages"):
        remove(folder, (*_PYTHON, "*/tests", "*/test", "netaddr/**/*.txt.orig"))
    for modules in root.glob("usr/lib/modules/*"):
        remove(modules / "kernel", _MODULES)
        run(["chroot", root, "/usr/sbin/depmod", modules.name])
    _keep_utc_only(root / "usr/share/zoneinfo")
    # pip ran without compiling, after the trimming there is less to compile. Unchecked: nobody edits a ramdisk.
    compile_code = (
        "-m",
        "compileall",
        "-q",
        "-j0",
        "--invalidation-mode",
        "unchecked-hash",
        "/usr/local/lib",
    )
    run(["chroot", root, "/usr/bin/python3", *compile_code])
    for folder in ("tmp", "var/tmp", "var/log", "var/cache"):
        (root / folder).mkdir(exist_ok=True)


def remove(folder: Path, patterns: Iterable[str]) -> None:
    """Delete files and trees; a pattern that matches nothing (another Debian release) is no error."""
    for pattern in patterns:
        for path in list(folder.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _keep_utc_only(zoneinfo: Path) -> None:
    for path in zoneinfo.glob("*"):
        if path.name not in ("UTC", "Etc"):
            remove(zoneinfo, (path.name,))
