"""What kernels, the agent and the installed system say on the serial console.

The names of the signs are those of pxe/console_signs.py.
"""

from __future__ import annotations

from pxe.diagnosis.advice import HTTP_FIREWALL, MEMORY, NO_DISK_DRIVER, NO_NIC_DRIVER
from pxe.diagnosis.attempt import CALLS, LOADING, Attempt
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, found, signs
from pxe.milestones import Hop


def _ramdisk_says(attempt: Attempt, sign: str) -> Match | None:
    """Said once, as soon as its devices were looked for: it holds for all of this boot."""
    return found([m for m in attempt.after("boot.initramfs") if m.data.get("sign") == sign])


def _nic_without_driver(attempt: Attempt) -> Match | None:
    """A card without a driver is no matter where another one asks for an address."""
    later = attempt.after("boot.initramfs")
    asks = any(m.kind in ("boot.dhcpdiscover", "boot.dhcprequest", "boot.dhcpack") for m in later)
    return None if asks else _ramdisk_says(attempt, "no-nic-driver")


def _disks_without_driver(attempt: Attempt) -> Match | None:
    """A controller without a driver is no matter where another one has disks."""
    without = any(m.data.get("disks") == 0 for m in attempt.of("agent.report"))
    without = without or _ramdisk_says(attempt, "agent-no-disk") is not None
    return _ramdisk_says(attempt, "no-disk-driver") if without else None


RULES = (
    Rule(
        "console.out-of-memory",
        (*LOADING, *CALLS),
        signs("out-of-memory"),
        "{node} has too little memory for the ramdisk: {line}",
        (MEMORY,),
        certain=True,
    ),
    Rule(
        "console.ramdisk-damaged",
        (Hop.REPORT,),
        signs("initramfs-damaged"),
        "the kernel of {node} cannot unpack its ramdisk: {line}",
        (
            Cause(
                "the file is damaged, or was cut off on the way",
                "`undercloud image verify`; look at the error counters of the switch port",
            ),
            MEMORY,
        ),
        certain=True,
    ),
    Rule(
        "console.no-root",
        (Hop.HOME,),
        signs("no-root"),
        "the kernel on the disk of {node} does not find its root file system: {line}",
        (
            Cause(
                "the image's initramfs has no driver for this disk controller",
                "take an image whose initramfs has it (Debian: MODULES=most), or set the controller to AHCI",
            ),
            Cause(
                "the image was written to another disk than the one that firmware starts",
                "compare the disks of `undercloud node show {node}` with root_device of its profile",
            ),
        ),
        certain=True,
    ),
    Rule(
        "console.panic",
        (*LOADING, *CALLS, Hop.HOME),
        signs("kernel-panic", "no-root"),
        "the kernel of {node} panics: {line}",
        (
            Cause(
                "the kernel does not bear this machine's timer, firmware or CPU",
                "add the kernel argument that the panic asks for to `ramdisk: kernel_arguments`; try another "
                "kernel (`undercloud image build-ramdisk --kernel generic`)",
            ),
            MEMORY,
            Cause("kernel and initramfs are not of one build", "`undercloud image verify` the ramdisk"),
        ),
        certain=True,
    ),
    Rule(
        "console.no-boot-device",
        (Hop.HOME,),
        signs("no-boot-device", "bootloader-failed"),
        "{node} finds nothing to boot on its disk: {line}",
        (
            Cause(
                "the disk was installed for the other boot mode (BIOS or UEFI) than the firmware now has",
                "set the boot mode as it was when the image was written, then deploy again",
            ),
            Cause(
                "no bootloader on the disk, or no boot entry that names it",
                "check that the image has one for this boot mode; look at the firmware's boot order",
            ),
            Cause(
                "firmware starts another disk than the one that was written",
                "compare the disks of `undercloud node show {node}` with the firmware's boot order",
            ),
        ),
        certain=True,
    ),
    Rule(
        "ramdisk.no-nic-driver",
        (Hop.REPORT,),
        _nic_without_driver,
        "the ramdisk of {node} has no driver for its NIC: {line}",
        (NO_NIC_DRIVER,),
        certain=True,
    ),
    Rule(
        "ramdisk.no-disk-driver",
        (Hop.LOOKUP, Hop.HEARTBEAT, Hop.IMAGE),
        _disks_without_driver,
        "the ramdisk of {node} sees no disk, and has no driver for their controller: {line}",
        (NO_DISK_DRIVER,),
        certain=True,
    ),
    Rule(
        "agent.clock",
        CALLS,
        signs("clock"),
        "the clock of {node} is so wrong that the agent's TLS fails: {line}",
        (
            Cause(
                "the machine's battery is empty, or its clock was never set",
                "set the time in the firmware's setup or by the BMC (UTC); replace the CR2032 cell",
            ),
            Cause("the seed's own clock is wrong", "`timedatectl` on the seed"),
        ),
    ),
    Rule(
        "agent.tls",
        CALLS,
        signs("tls"),
        "TLS between the agent on {node} and the seed fails: {line}",
        (
            Cause(
                "a clock is wrong: certificates are not valid yet",
                "`timedatectl` on the seed; set the machine's in its firmware's setup (UTC)",
            ),
            Cause(
                "something between them answers in the seed's name (a proxy)",
                "let nothing intercept HTTP in the provisioning network",
            ),
        ),
    ),
    Rule(
        "agent.no-route",
        CALLS,
        signs("no-route", "agent-timeout", "agent-refused"),
        "the agent on {node} cannot reach the seed: {line}",
        (
            HTTP_FIREWALL,
            Cause(
                "the netmask or router that the ramdisk got is wrong, or it took another NIC",
                "`undercloud node console {node}` shows its addresses; compare with the provisioning network",
            ),
        ),
    ),
    Rule(
        "agent.no-disk",
        (*CALLS, Hop.IMAGE),
        signs("agent-no-disk"),
        "the agent on {node} finds no disk that it could write: {line}",
        (
            NO_DISK_DRIVER,
            Cause("the disk is smaller than 4 GiB, or dead", "look at its LED; `undercloud node sel {node}`"),
        ),
    ),
    Rule(
        "agent.crashed",
        CALLS,
        signs("agent-failed"),
        "the agent on {node} crashed: {line}",
        (Cause("a bug, or a disk that breaks it", "`undercloud node console {node}` has the whole log"),),
    ),
    Rule(
        "console.hardware",
        (*LOADING, *CALLS, Hop.IMAGE, Hop.HOME),
        signs("kernel-oops"),
        "the kernel of {node} stumbles over its hardware: {line}",
        (
            Cause("a broken CPU, DIMM or card", "`undercloud node sel {node}`; take out what it names"),
            Cause("a bug of this kernel or of the machine's firmware", "update both"),
        ),
    ),
    Rule(
        "home.emergency",
        (Hop.HOME,),
        signs("emergency-mode"),
        "the operating system of {node} stopped in emergency mode: {line}",
        (
            Cause(
                "a file system that its /etc/fstab wants is not there, or is damaged",
                "log in at `undercloud node console {node}`: `systemctl --failed`, `journalctl -xb`",
            ),
        ),
        certain=True,
    ),
    Rule(
        "home.cloud-init",
        (Hop.HOME,),
        signs("cloud-init-failed"),
        "cloud-init on {node} failed: {line}",
        (
            Cause(
                "it found no config drive",
                "on the host: `blkid -L config-2`; the image must have the ConfigDrive data source",
            ),
            Cause(
                "it cannot take the profile's user data",
                "on the host: `cloud-init schema --system`, `cloud-init status --long`",
            ),
        ),
    ),
)
