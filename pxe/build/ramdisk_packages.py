"""Which Debian packages make a ramdisk."""

from __future__ import annotations

from enum import StrEnum


class Kernel(StrEnum):
    """Cloud: virtio, NVMe and cloud NICs only (no SATA!). Generic: every driver Debian has."""

    CLOUD = "cloud"
    GENERIC = "generic"


# No service manager: usr/lib/undercloud/init starts what is needed. dhcpcd-base is the DHCP client.
_SYSTEM = (
    *("udev", "kmod", "busybox-static", "dhcpcd-base", "iproute2", "procps", "python3"),
    *("ca-certificates", "chrony"),
)
# What the agent calls, found by reading its execute() calls and by running it: without psmisc (fuser)
# writing a qcow2 image fails, without bsdextrautils (hexdump) there are warnings.
_TOOLS = (
    *("psmisc", "bsdextrautils", "util-linux", "util-linux-extra", "file", "qemu-utils"),
    *("gdisk", "parted", "fdisk", "e2fsprogs", "dosfstools"),
    *("mdadm", "lvm2", "nvme-cli", "hdparm", "sg3-utils"),
    "dropbear-bin",  # ssh of the rescue system: 0.6 MB packed, where OpenSSH's server is 2.9 MB
    *("efibootmgr", "smartmontools", "ethtool", "lshw", "dmidecode", "ipmitool", "pciutils", "usbutils"),
)
_KERNEL = {
    Kernel.CLOUD: ("linux-image-cloud-amd64",),
    Kernel.GENERIC: ("linux-image-amd64", "multipath-tools", "stress-ng", "fio", "mstflint"),
}
# What NICs and storage controllers load from the file system; all but the first is in non-free-firmware.
_FIRMWARE = (
    *("firmware-linux-free", "firmware-bnx2", "firmware-bnx2x", "firmware-cavium", "firmware-misc-nonfree"),
    *("firmware-myricom", "firmware-netronome", "firmware-netxen", "firmware-qlogic", "firmware-realtek"),
)
FIRMWARE_COMPONENT = "non-free-firmware"


def packages(kernel: Kernel, *, firmware: bool) -> tuple[str, ...]:
    """The packages of a ramdisk, their dependencies aside."""
    return (*_SYSTEM, *_TOOLS, *_KERNEL[kernel], *(_FIRMWARE if firmware else ()))
