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
# Rules of udev for what no agent asks for, and for what a service manager would start: fewer to read.
_RULES = (
    *("60-autosuspend", "60-drm", "60-evdev", "60-fido-id", "60-input-id", "60-persistent-alsa"),
    *("60-persistent-input", "60-persistent-storage-tape", "60-persistent-v4l", "60-sensor", "60-serial"),
    *("69-lvm", "69-md-clustered-confirm-device", "70-camera", "70-joystick", "70-memory", "70-mouse"),
    *("70-nvmf-autoconnect", "70-power-switch", "70-touchpad", "71-*", "75-probe_mtd", "78-sound-card"),
    *("81-net-dhcp", "85-hdparm", "85-hwclock", "96-e2scrub"),
)
_UNUSED = (
    *("boot", "usr/share/doc", "usr/share/locale", "usr/share/i18n", "usr/share/bash-completion"),
    # lshw reads all of it at each start, for names that nobody asks for: 1 CPU second of an emulated machine.
    "usr/share/misc/pci.ids",
    # 13 MB, rebuilt from hwdb.d; the agent reads names from sysfs and pci.ids.
    *("usr/lib/udev/hwdb.bin", "usr/lib/udev/hwdb.d"),
    *("usr/lib/*/gconv", "usr/bin/qemu-nbd", "usr/bin/qemu-io", "usr/bin/localedef", "usr/share/zsh"),
    *("usr/lib/python3*/pydoc_data", "usr/lib/python3*/lib2to3", "usr/lib/python3*/ensurepip"),
)
# What is another in every build, made by installing: read by nobody, or (nvme) to be another on each machine.
_TRACES = (
    *("etc/nvme/hostid", "etc/nvme/hostnqn"),
    *("etc/machine-id", "etc/*-", "etc/.pwd.lock", "etc/ld.so.cache~", "vmlinuz*", "initrd.img*"),
    *("tmp/*", "run/*", "etc/rc?.d", "etc/init.d", "etc/cron.*", "etc/logrotate.d"),
)


def trim(root: Path) -> None:
    """Drop what is not used, then refresh the index of kernel modules."""
    remove(root, (*_PACKAGE_MANAGEMENT, *_UNUSED, *_TRACES))
    remove(root / "usr/lib/udev/rules.d", (f"{rule}.rules" for rule in _RULES))
    for modules in root.glob("usr/lib/modules/*"):
        for name in unneeded_modules((modules / "modules.dep").read_text()):
            (modules / name).unlink()
        run(["chroot", root, "/usr/sbin/depmod", modules.name])
    _keep_utc_only(root / "usr/share/zoneinfo")
    for name in ("var/log", "var/cache"):
        (root / name).mkdir(exist_ok=True)


def unneeded_modules(modules_dep: str) -> set[str]:
    """Of the modules in modules.dep(5), those in a folder we drop that no kept module depends on."""
    needs = dict(line.split(":", 1) for line in modules_dep.splitlines())
    dropped = {name for name in needs if any(name.startswith(f"kernel/{folder}/") for folder in _MODULES)}
    needed = {name for kept in needs.keys() - dropped for name in needs[kept].split()}
    return dropped - needed


def _keep_utc_only(zoneinfo: Path) -> None:
    for path in zoneinfo.glob("*"):
        if path.name not in ("UTC", "Etc"):
            remove(zoneinfo, (path.name,))
