"""What firmware and boot loaders say on the serial console.

The names of the signs are those of pxe/console_signs.py.
"""

from __future__ import annotations

from pxe.diagnosis.advice import (
    BOOT_ORDER_IGNORED,
    HTTP_FIREWALL,
    MTU,
    NO_IMAGE,
    SIGNED_LOADERS,
    TFTP_FIREWALL,
)
from pxe.diagnosis.attempt import FIRMWARE, LOADING
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Rule, signs
from pxe.milestones import Hop

RULES = (
    Rule(
        "console.disk-instead-of-network",
        FIRMWARE,
        signs("login", "kernel-started", "no-root", "emergency-mode", "cloud-init-failed"),
        "{node} booted what is on its disk instead of the network: {line}",
        (
            Cause(
                "network boot is disabled for the NIC, or is not in the firmware's boot order",
                "in the firmware's setup: enable PXE (or HTTP boot) on that NIC and put it before the disk",
            ),
            BOOT_ORDER_IGNORED,
            Cause(
                "the network boot timed out, and the firmware went on to the disk",
                "look at the link LEDs; set the switch port to edge (portfast) in the provisioning VLAN",
            ),
        ),
        certain=True,
    ),
    Rule(
        "console.secure-boot",
        (Hop.LOADER, *LOADING, Hop.REPORT, Hop.HOME),
        signs("secure-boot"),
        "Secure Boot of {node} refuses what it was given: {line}",
        (
            Cause(
                "the loader or kernel is not signed by a key that the firmware trusts",
                SIGNED_LOADERS,
            ),
            Cause(
                "the firmware's list of revoked loaders (dbx) is newer than the loader",
                "update shim-signed, grub-efi-amd64-signed on the seed; `undercloud seed stop`, then `start`",
            ),
            Cause(
                "this machine is not meant to have Secure Boot on",
                "switch it off in the firmware's setup, or by its BMC: `undercloud node bios set --help`",
            ),
        ),
        certain=True,
    ),
    Rule(
        "console.no-link",
        FIRMWARE,
        signs("pxe-no-link"),
        "the NIC that {node} boots from has no link: {line}",
        (
            Cause(
                "the cable is not plugged in, or in another port", "look at the link LEDs; follow the cable"
            ),
            Cause(
                "firmware tries another NIC than the one that is cabled",
                "in the firmware's setup enable network boot on that NIC alone",
            ),
            Cause("the switch port is shut down, or set to another speed", "`show interface` on the switch"),
        ),
    ),
    Rule(
        "console.tftp",
        (Hop.LOADER,),
        signs("pxe-timeout"),
        "{node} cannot fetch its boot loader: {line}",
        (
            TFTP_FIREWALL,
            MTU,
        ),
    ),
    Rule(
        "console.no-file",
        (Hop.LOADER, *LOADING),
        signs("pxe-not-found", "ipxe-not-found", "ipxe-denied"),
        "{node} is told that what it wants to boot is not there: {line}",
        (
            Cause(
                "another DHCP server names a boot file or server of its own",
                "capture it: `tcpdump -ni IFACE -w FILE port 67 or port 68`, then "
                "`undercloud why {node} --pcap FILE`",
            ),
            NO_IMAGE,
        ),
    ),
    Rule(
        "console.no-filename",
        LOADING,
        signs("ipxe-no-filename"),
        "iPXE on {node} got an address and nothing to boot: {line}",
        (
            Cause(
                "another DHCP server answered iPXE",
                "find it: `undercloud why {node} --pcap FILE`; take it off this network, or let the seed "
                "be a proxy beside it (`provisioning: {{dhcp: proxy}}`)",
            ),
        ),
    ),
    Rule(
        "console.loader-unconnected",
        LOADING,
        signs("ipxe-timeout", "ipxe-refused", "ipxe-unreachable", "ipxe-no-name"),
        "the boot loader of {node} does not reach the seed by HTTP: {line}",
        (HTTP_FIREWALL,),
    ),
    Rule(
        "console.not-executable",
        LOADING,
        signs("ipxe-not-executable"),
        "{node} does not take the kernel that it fetched: {line}",
        (
            Cause(
                "Secure Boot refuses it",
                SIGNED_LOADERS,
            ),
            Cause(
                "it is for another processor architecture",
                "name a ramdisk that fits: `ramdisk: image` in undercloud.yaml",
            ),
        ),
    ),
    Rule(
        "console.nothing-to-boot",
        (*FIRMWARE, Hop.SCRIPT),
        signs("no-boot-device", "bootloader-failed"),
        "{node} went past the network and finds nothing to boot on its disk either: {line}",
        (
            Cause(
                "network boot is disabled for this NIC, or not in the boot order",
                "`undercloud node boot-device pxe {node}`; enable network boot in the firmware's setup",
            ),
            Cause(
                "the network boot timed out: cable, VLAN, or a switch port that forwards too late",
                "look at the link LEDs; set the port to edge (portfast) in the provisioning VLAN",
            ),
        ),
    ),
    Rule(
        "console.loader-failed",
        LOADING,
        signs("ipxe-failed"),
        "the boot loader of {node} gives up: {line}",
        (
            Cause("what its error number says", "open the URL that it prints (https://ipxe.org/err/...)"),
            HTTP_FIREWALL,
        ),
    ),
)
