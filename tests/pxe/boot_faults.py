"""Every fault of a boot that diagnosis knows: as it shows, the hop that it stops at, and its name."""

from __future__ import annotations

from typing import Any

from boot_story import (
    BIOS,
    IPXE,
    MAC,
    NETWORKD,
    OTHER,
    SERVER,
    UEFI,
    WELL,
    attempt,
    seen,
    up_to,
)

from pxe.diagnosis.attempt import Attempt, Way
from pxe.milestones import Hop, StepFault, TFTPFailure

ON = ("power.on",)
FIRMWARE = (ON, ("boot.dhcpdiscover", UEFI))
DISK: dict[str, Any] = {"way": Way.DISK, "until": Hop.HOME}
HOST: dict[str, Any] = {"way": Way.HOST, "until": Hop.HOME}
REBOOTED = ("power.disk",)
FOREIGN = ("boot.foreign-dhcp", {"server": "10.9.9.9", "server_mac": SERVER, "answer": "offer"})
SENT_TO_DISK = ("boot.script", {"message": "asked what to boot: disk", "boots": "disk"})


def sign(name: str, line: str) -> tuple[str, dict[str, Any]]:
    return ("boot.console", {"sign": name, "line": line, "message": line})


FAULTS: list[tuple[str, Hop, str, Attempt, str]] = []


def fault(name: str, hop: Hop, words: str, broken: Attempt, first: str) -> None:
    """`words` of the summary, and `first`: words of the likeliest cause or what to do about it."""
    FAULTS.append((name, hop, words, broken, first))


fault(
    "power.refused",
    Hop.POWER,
    "node-1 did not switch it on: boot_ramdisk: ipmi://192.0.2.9: cannot ask for power on: no answer",
    attempt(
        (
            "step.failed",
            {
                "message": "boot_ramdisk: ipmi://192.0.2.9: cannot ask for power on: no answer",
                "fault": StepFault.BMC,
            },
        ),
        over=True,
        powered=None,
    ),
    "cable of the BMC",
)
fault(
    "power.not-asked",
    Hop.POWER,
    "no MAC",
    attempt(("step.failed", {"message": "boot_ramdisk: no MAC of this machine"}), over=True, powered=None),
    "what the error says",
)
fault("power.off", Hop.POWER, "is off", attempt(powered=False), "power on node-1")
fault("power.unknown", Hop.POWER, "ever switched on", attempt(powered=None), "power on node-1")
fault("power.lost", Hop.DISCOVER, "is off now", attempt(ON, powered=False), "power supply")
fault(
    "nic.ipv6-alone",
    Hop.DISCOVER,
    "by IPv6",
    attempt(ON, ("boot.dhcp6", {"message": "asks by DHCPv6"})),
    "IPv4 network boot",
)
fault(
    "nic.unheard",
    Hop.DISCOVER,
    "PXE-E51",
    attempt(ON, sign("pxe-no-offer", "PXE-E51: No DHCP or proxyDHCP offers were received.")),
    "another VLAN",
)
fault(
    "power.lost",
    Hop.REPORT,
    "is off now",
    attempt(
        *up_to("boot.initramfs"),
        ("step.failed", {"message": "boot_ramdisk: the machine lost power", "fault": StepFault.NO_POWER}),
        later=1,
        over=True,
    ),
    "power supply",
)
fault(
    "run.broke-off",
    Hop.REPORT,
    "ipmi://192.0.2.1: cannot ask for power: no answer",
    attempt(
        *up_to("boot.initramfs"),
        (
            "step.failed",
            {
                "message": "boot_ramdisk: ipmi://192.0.2.1: cannot ask for power: no answer",
                "fault": StepFault.BMC,
            },
        ),
        later=1,
        over=True,
    ),
    "what the error says",
)
fault("nic.silent", Hop.DISCOVER, "nothing is heard", attempt(ON), "cable")
fault(
    "nic.stranger",
    Hop.DISCOVER,
    OTHER,
    attempt(ON, strangers=(seen("boot.stranger", mac=OTHER, **UEFI),)),
    f"node set node-1 --mac {OTHER}",
)
fault(
    "nic.not-known",
    Hop.DISCOVER,
    OTHER,
    attempt(
        ON,
        strangers=(seen("boot.stranger", mac=OTHER, uuid="A-B"),),
        system_uuid="a-b",
        later=1,
        powered=True,
    ),
    f"node set node-1 --mac {OTHER}",
)
fault(
    "disk.instead-of-network",
    Hop.OFFER,
    "what is on its disk",
    attempt(ON, ("boot.dhcpdiscover", NETWORKD)),
    "boot-device pxe node-1",
)
fault(
    "disk.instead-of-network",
    Hop.LOADER,
    "what is on its disk",
    attempt(ON, ("boot.dhcpdiscover", NETWORKD), ("boot.dhcpoffer",), ("boot.dhcpack",)),
    "boot-device pxe node-1",
)
fault("dhcp.foreign", Hop.OFFER, f"10.9.9.9, MAC {SERVER}", attempt(*FIRMWARE, FOREIGN, later=1), SERVER)
fault(
    "dhcp.foreign",
    Hop.LEASE,
    f"10.9.9.9, MAC {SERVER}",
    attempt(*FIRMWARE, FOREIGN, ("boot.dhcpoffer",), later=1),
    SERVER,
)
fault(
    "dhcp.tagged",
    Hop.OFFER,
    "VLAN 12, tagged",
    attempt(ON, ("boot.dhcpdiscover", {**UEFI, "vlan": 12})),
    "clear the VLAN",
)
fault(
    "dhcp.ignored",
    Hop.OFFER,
    MAC,
    attempt(ON, ("boot.dhcpdiscover", {"reason": "ignored"})),
    f"--mac {MAC}",
)
fault(
    "dhcp.exhausted",
    Hop.OFFER,
    "no address for node-1",
    attempt(ON, ("boot.dhcpdiscover", {"reason": "no address available"})),
    "dhcp_range",
)
fault("dhcp.no-offer", Hop.OFFER, "the seed does not answer", attempt(*FIRMWARE), "seed status")
fault(
    "dhcp.no-offer-proxy",
    Hop.OFFER,
    "site's DHCP server offers none",
    attempt(*FIRMWARE, dhcp="proxy"),
    "MAC",
)
fault("dhcp.no-offer-site", Hop.OFFER, "no DHCP server answers", attempt(*FIRMWARE, dhcp="site"), "helper")
fault("dhcp.no-offer-relay", Hop.OFFER, "through the relay", attempt(*FIRMWARE, dhcp="relay"), "helper")
fault(
    "dhcp.offer-unheard",
    Hop.LEASE,
    "(2 times)",
    attempt(*FIRMWARE, ("boot.dhcpoffer",), ("boot.dhcpdiscover", UEFI), ("boot.dhcpoffer",)),
    "does not reach it",
)
fault(
    "dhcp.refused",
    Hop.LEASE,
    "static lease",
    attempt(*FIRMWARE, ("boot.dhcpoffer",), ("boot.dhcpnak", {"message": "DHCPNAK (static lease)"})),
    "earlier lease",
)
fault(
    "dhcp.declined",
    Hop.LOADER,
    "somebody else has 192.0.2.7",
    attempt(*up_to("boot.dhcpack"), ("boot.dhcpdecline", {"address": "192.0.2.7"})),
    "arping 192.0.2.7",
)
fault(
    "loader.architecture",
    Hop.LEASE,
    "27, RISC-V 64-bit UEFI",
    attempt(ON, ("boot.dhcpdiscover", {"architecture": 27}), ("boot.dhcpoffer",)),
    "boot-device pxe node-1 --mode",
)
fault(
    "loader.not-found",
    Hop.LOADER,
    "old.0 not found",
    attempt(
        *up_to("boot.dhcpack"),
        (
            "boot.tftp-failed",
            {"message": "file old.0 not found for 192.0.2.201", "failure": TFTPFailure.NOT_FOUND},
        ),
    ),
    "filename",
)
fault(
    "loader.tftp-broken",
    Hop.LOADER,
    "failed sending",
    attempt(
        *up_to("boot.dhcpack"),
        ("boot.tftp-failed", {"message": "failed sending snponly.efi", "failure": TFTPFailure.BROKEN}),
    ),
    "nf_conntrack_tftp",
)
fault(
    "loader.tftp-unanswered",
    Hop.LOADER,
    "no answer to 3 requests",
    attempt(
        *up_to("boot.dhcpack"),
        (
            "boot.tftp-failed",
            {"message": "a.efi: no answer to 3 requests arrives", "failure": TFTPFailure.UNANSWERED},
        ),
    ),
    "nf_conntrack_tftp",
)
fault(
    "loader.tftp-blocks",
    Hop.LOADER,
    "stops at the first block",
    attempt(
        *up_to("boot.dhcpack"),
        (
            "boot.tftp-failed",
            {"failure": TFTPFailure.FIRST_BLOCK, "address": "192.0.2.201"},
        ),
    ),
    "ping -M do -s 1472 192.0.2.201",
)
fault(
    "loader.http-broken",
    Hop.SCRIPT,
    "no answer from 192.0.2.1:8080",
    attempt(*WELL[:10], ("boot.http-failed", {"message": "no answer from 192.0.2.1:8080"})),
    "firewall",
)
fault("loader.no-tftp", Hop.LOADER, "no boot file", attempt(*up_to("boot.dhcpack")), "UDP 69")
fault(
    "loader.no-http",
    Hop.LOADER,
    "UEFI HTTP",
    attempt(
        ON,
        ("boot.dhcpdiscover", {"architecture": 7, "vendor_class": "HTTPClient:Arch:00016"}),
        ("boot.dhcpack",),
    ),
    "firewall",
)
fault(
    "loader.no-media",
    Hop.LOADER,
    "not inserted",
    attempt(ON, boot_interface="virtual-media", dhcp="none"),
    "media list node-1",
)
fault(
    "loader.media-not-fetched",
    Hop.LOADER,
    "does not fetch it",
    attempt(("boot.media",), ON, boot_interface="virtual-media", dhcp="none"),
    "no way to the seed",
)
fault(
    "loader.refused-by-secure-boot",
    Hop.SCRIPT,
    "did not start it",
    attempt(*up_to("boot.tftp"), ("boot.tftp",)),
    "Secure Boot",
)
fault(
    "console.secure-boot",
    Hop.SCRIPT,
    "Security Violation",
    attempt(*up_to("boot.tftp"), sign("secure-boot", "Security Violation"), later=1),
    "signed",
)
fault(
    "loader.hangs",
    Hop.SCRIPT,
    "said nothing",
    attempt(ON, ("boot.dhcpdiscover", BIOS), ("boot.dhcpack",), ("boot.tftp",), boot_mode="bios"),
    "UNDI",
)
fault(
    "script.no-address",
    Hop.SCRIPT,
    "gets no address",
    attempt(*up_to("boot.tftp"), ("boot.dhcpdiscover", IPXE), ("boot.dhcpoffer",)),
    "spanning tree",
)
fault(
    "dhcp.foreign",
    Hop.SCRIPT,
    "10.9.9.9",
    attempt(*up_to("boot.tftp"), ("boot.dhcpdiscover", IPXE), FOREIGN),
    "nobody meant",
)
fault("script.not-asked", Hop.SCRIPT, "never asks for its boot script", attempt(*WELL[:10]), "firewall")
fault(
    "script.refused",
    Hop.SCRIPT,
    "no node has MAC",
    attempt(*WELL[:10], ("boot.script-refused", {"message": "no node has MAC 02:00", "mac": OTHER}), later=1),
    f"--mac {OTHER}",
)
fault("script.to-disk", Hop.KERNEL, "sent to its disk", attempt(*WELL[:10], SENT_TO_DISK), "before the run")
fault("kernel.not-fetched", Hop.KERNEL, "does not fetch the kernel", attempt(*up_to("boot.script")), "image")
fault("initramfs.not-fetched", Hop.RAMDISK, "not the whole", attempt(*up_to("boot.kernel")), "broke off")
fault(
    "console.panic",
    Hop.REPORT,
    "not syncing",
    attempt(
        *up_to("boot.initramfs"), sign("kernel-panic", "Kernel panic - not syncing: IO-APIC + timer"), later=1
    ),
    "kernel argument",
)
fault(
    "ramdisk.loop",
    Hop.REPORT,
    "loaded 5 times",
    attempt(*up_to("boot.initramfs"), ("boot.loop", {"times": 5})),
    "panics",
)
fault("ramdisk.no-nic", Hop.REPORT, "never asks for an address", attempt(*up_to("boot.initramfs")), "driver")
fault(
    "ramdisk.no-address",
    Hop.REPORT,
    "asks for an address and gets none",
    attempt(*up_to("boot.initramfs"), ("boot.dhcpdiscover", NETWORKD)),
    "switch port",
)
fault("agent.silent", Hop.REPORT, "does not reach the seed's API", attempt(*WELL[:15]), "no way")
fault(
    "agent.clock",
    Hop.REPORT,
    "clock",
    attempt(*WELL[:15], sign("clock", "certificate is not yet valid")),
    "battery",
)
fault(
    "agent.refused",
    Hop.LOOKUP,
    "at work already",
    attempt(*up_to("agent.report"), ("agent.refused", {"message": "at work already"}), later=1),
    "earlier boot",
)
fault(
    "ramdisk.no-disk",
    Hop.HEARTBEAT,
    "sees no disk",
    attempt(*WELL[:15], ("agent.report", {"disks": 0}), ("agent.lookup",), later=1),
    "driver",
)
fault(
    "agent.tls",
    Hop.LOOKUP,
    "self-signed",
    attempt(*up_to("agent.report"), sign("tls", "SSL: self-signed certificate")),
    "clock",
)
fault(
    "agent.no-route",
    Hop.REPORT,
    "No route to host",
    attempt(*WELL[:15], sign("no-route", "No route to host")),
    "firewall",
)
fault(
    "dhcp.foreign-to-ramdisk",
    Hop.REPORT,
    f"10.9.9.9, MAC {SERVER}",
    attempt(
        *up_to("boot.initramfs"),
        ("boot.dhcpdiscover", NETWORKD),
        ("boot.foreign-dhcp", {**FOREIGN[1], "answer": "ack"}),
    ),
    "nobody meant",
)
fault(
    "ramdisk.no-nic-driver",
    Hop.REPORT,
    "no driver for its NIC: ramdisk: no driver for the network card 0x8086 0x100e",
    attempt(
        *up_to("boot.initramfs"),
        sign("no-nic-driver", "ramdisk: no driver for the network card 0x8086 0x100e"),
        later=1,
    ),
    "cloud kernel",
)
fault(
    "ramdisk.no-disk-driver",
    Hop.LOOKUP,
    "ramdisk: no driver for the storage controller",
    attempt(
        *up_to("boot.initramfs"),
        sign("no-disk-driver", "ramdisk: no driver for the storage controller 0x8086 0x2922"),
        ("agent.report", {"disks": 0}),
        later=1,
    ),
    "cloud kernel",
)
fault("agent.no-lookup", Hop.LOOKUP, "does not look itself up", attempt(*up_to("agent.report")), "no way")
fault("agent.no-heartbeat", Hop.HEARTBEAT, "not ready", attempt(*up_to("agent.lookup")), "disks")
CHECKSUM = "write_image: Error verifying image checksum: Image x failed to verify against checksum y"
fault(
    "image.checksum",
    Hop.IMAGE,
    "not the image that was declared",
    attempt(*up_to("agent.heartbeat"), ("step.failed", {"message": CHECKSUM}), until=Hop.IMAGE, over=True),
    "image verify",
)
fault(
    "image.no-disk-fits",
    Hop.IMAGE,
    "root_device",
    attempt(
        *up_to("agent.heartbeat"),
        (
            "step.failed",
            {"message": "write_image: root_device fits no disk", "fault": StepFault.NO_DISK_FITS},
        ),
        until=Hop.IMAGE,
    ),
    "root_device",
)
fault(
    "image.another-machine",
    Hop.IMAGE,
    "has serial X1",
    attempt(
        *up_to("agent.heartbeat"),
        (
            "step.failed",
            {
                "message": "write_image: the machine that booted has serial X1",
                "fault": StepFault.OTHER_MACHINE,
            },
        ),
        until=Hop.IMAGE,
    ),
    "swapped",
)
fault(
    "image.agent-gone",
    Hop.IMAGE,
    "was lost while",
    attempt(
        *up_to("agent.heartbeat"),
        ("step.failed", {"message": "write_image: the machine lost power", "fault": StepFault.AGENT_GONE}),
        until=Hop.IMAGE,
        powered=False,
    ),
    "lost power",
)
fault(
    "image.no-space",
    Hop.IMAGE,
    "too little room",
    attempt(
        *up_to("agent.heartbeat"),
        ("step.failed", {"message": "write_image: Disk volume where '/tmp' is located has not enough space"}),
        until=Hop.IMAGE,
    ),
    "image add --compress",
)
fault(
    "image.failed",
    Hop.IMAGE,
    "was not written to node-1: write_image: I/O error",
    attempt(
        *up_to("agent.heartbeat"), ("step.failed", {"message": "write_image: I/O error"}), until=Hop.IMAGE
    ),
    "agent says",
)
fault("image.not-written", Hop.IMAGE, "no image", attempt(*up_to("agent.heartbeat"), until=Hop.IMAGE), "slow")
fault(
    "disk.other-mode",
    Hop.HOME,
    "installed in boot mode uefi and boots in bios",
    attempt(REBOOTED, ("boot.dhcpdiscover", BIOS), SENT_TO_DISK, disk_mode="uefi", **DISK),
    "boot mode changed",
)
fault(
    "console.no-boot-device",
    Hop.HOME,
    "No bootable device",
    attempt(REBOOTED, sign("no-boot-device", "No bootable device."), later=1, **DISK),
    "boot mode",
)
fault(
    "disk.comes-back",
    Hop.HOME,
    "(3 times)",
    attempt(REBOOTED, SENT_TO_DISK, SENT_TO_DISK, SENT_TO_DISK, later=1, **DISK),
    "no bootloader",
)
fault(
    "console.no-root",
    Hop.HOME,
    "ALERT! UUID=12 does not exist",
    attempt(REBOOTED, sign("no-root", "ALERT! UUID=12 does not exist"), later=1, **DISK),
    "initramfs",
)
fault("disk.silent", Hop.HOME, "never called home", attempt(REBOOTED, **DISK), "bootloader")
fault(
    "home.silent",
    Hop.HOME,
    "asks for an address, and never called home",
    attempt(REBOOTED, SENT_TO_DISK, ("boot.dhcpdiscover", NETWORKD), ("boot.dhcpack",), **DISK),
    "does not lead to the seed",
)
fault(
    "home.silent-system",
    Hop.HOME,
    "never called home",
    attempt(REBOOTED, sign("login", "node-1 login:"), **DISK),
    "does not lead to the seed",
)
fault(
    "home.refused",
    Hop.HOME,
    "another host",
    attempt(REBOOTED, ("instance.refused", {"message": "this call comes from another host"}), **DISK),
    "older system",
)
fault(
    "host.silent",
    Hop.HOME,
    "fetched its host's ramdisk, and its operating system never called home",
    attempt(*up_to("boot.initramfs"), **HOST),
    "no cloud-init",
)
fault(
    "host.comes-back",
    Hop.HOME,
    "loaded its host's ramdisk 3 times",
    attempt(*up_to("boot.initramfs"), *[("boot.initramfs",)] * 2, later=1, **HOST),
    "the kernel panics",
)
fault("power.lost", Hop.HOME, "is off now", attempt(REBOOTED, powered=False, **DISK), "power supply")


# What the console says outright, by sign: the rule that it leads to, where the boot stands meanwhile.
SAID: list[tuple[str, str, Attempt]] = [
    ("pxe-no-link", "console.no-link", attempt(ON)),
    ("pxe-timeout", "console.tftp", attempt(*up_to("boot.dhcpack"))),
    ("pxe-not-found", "console.no-file", attempt(*up_to("boot.dhcpack"))),
    ("ipxe-not-found", "console.no-file", attempt(*WELL[:10])),
    ("ipxe-no-filename", "console.no-filename", attempt(*WELL[:10])),
    ("ipxe-timeout", "console.loader-unconnected", attempt(*WELL[:10])),
    ("ipxe-not-executable", "console.not-executable", attempt(*up_to("boot.kernel"))),
    ("ipxe-failed", "console.loader-failed", attempt(*up_to("boot.script"))),
    ("out-of-memory", "console.out-of-memory", attempt(*up_to("boot.kernel"))),
    ("initramfs-damaged", "console.ramdisk-damaged", attempt(*up_to("boot.initramfs"))),
    ("no-boot-device", "console.nothing-to-boot", attempt(ON)),
    ("login", "console.disk-instead-of-network", attempt(ON)),
    ("kernel-started", "console.disk-instead-of-network", attempt(*up_to("boot.dhcpack"))),
    ("agent-no-disk", "agent.no-disk", attempt(*up_to("agent.lookup"))),
    ("agent-failed", "agent.crashed", attempt(*up_to("agent.report"))),
    ("kernel-oops", "console.hardware", attempt(*up_to("boot.initramfs"))),
    ("emergency-mode", "home.emergency", attempt(REBOOTED, **DISK)),
    ("cloud-init-failed", "home.cloud-init", attempt(REBOOTED, **DISK)),
]
