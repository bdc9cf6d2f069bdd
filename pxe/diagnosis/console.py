"""What the serial console says outright; these come before what is concluded from silence.

The names of the signs are those of pxe/console_signs.py.
"""

from __future__ import annotations

from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Rule, signs
from pxe.milestones import Hop

_LOADING = (Hop.LOADER, Hop.SCRIPT, Hop.KERNEL, Hop.RAMDISK, Hop.REPORT)
_LINUX = (Hop.KERNEL, Hop.RAMDISK, Hop.REPORT, Hop.LOOKUP, Hop.HEARTBEAT, Hop.HOME)

RULES = (
    Rule(
        "console.secure-boot",
        (*_LOADING, Hop.HOME),
        signs("secure-boot"),
        "Secure Boot of {node} refuses what it was given: {line}",
        (
            Cause(
                "the loader or kernel is not signed by a key that the firmware trusts",
                "let the seed serve the signed loaders (shim and GRUB) to machines with Secure Boot on",
            ),
            Cause(
                "the firmware's list of revoked loaders (dbx) is newer than the loader",
                "update Debian's shim-signed and grub-efi-amd64-signed on the seed, then restart it",
            ),
            Cause(
                "this machine is not meant to have Secure Boot on",
                "switch it off: `undercloud node bios set {node}`, or in the firmware's setup",
            ),
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
        _LINUX,
        signs("kernel-panic"),
        "the kernel of {node} panics: {line}",
        (
            Cause(
                "the kernel does not bear this machine's timer, firmware or CPU",
                "add the kernel argument that the panic asks for to `ramdisk.kernel_arguments`; try a newer "
                "kernel (`undercloud image build-ramdisk --kernel generic`)",
            ),
            Cause(
                "too little memory for the ramdisk, or a bad DIMM",
                "give it 3 GiB at least; read `undercloud node sel {node}` for memory errors",
            ),
            Cause("kernel and initramfs are not of one build", "`undercloud image verify` the ramdisk"),
        ),
        certain=True,
    ),
    Rule(
        "console.no-boot-device",
        (Hop.DISCOVER, Hop.OFFER, Hop.LEASE, Hop.LOADER, Hop.SCRIPT, Hop.HOME),
        signs("no-boot-device", "bootloader-failed"),
        "the firmware of {node} finds nothing to boot: {line}",
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
                "the boot order holds neither this disk nor the NIC",
                "`undercloud node boot-device {node}`; enable PXE for the NIC in the firmware's setup",
            ),
        ),
        certain=True,
    ),
)
