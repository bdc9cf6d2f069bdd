"""What the serial console says outright; this comes before what is concluded from silence.

The names of the signs are those of pxe/console_signs.py.
"""

from __future__ import annotations

from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, found, signs
from pxe.milestones import Hop

_FIRMWARE = (Hop.DISCOVER, Hop.OFFER, Hop.LEASE, Hop.LOADER)
_LOADING = (Hop.SCRIPT, Hop.KERNEL, Hop.RAMDISK)
_AGENT = (Hop.REPORT, Hop.LOOKUP, Hop.HEARTBEAT)

_MEMORY = Cause(
    "too little memory for the ramdisk, or a bad DIMM",
    "give it 3 GiB at least; read `undercloud node sel {node}` for memory errors",
)
_HTTP = Cause(
    "a firewall between the machine and the seed's HTTP port, or no route",
    "from another machine in this network: `curl http://{seed}:8080/boot.ipxe` (the port is "
    "`provisioning: http_port`); open it on the seed",
)
_OTHER_RAMDISK = (
    "`undercloud image build-ramdisk --kernel generic --with-firmware`, and name it as `ramdisk: image` in "
    "undercloud.yaml"
)
_IMAGES = Cause("a file is missing on the seed", "`undercloud image list`; the seed's log names it")


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


def _system_starts(attempt: Attempt) -> Match | None:
    """Before it can have come from the network."""
    return signs("login", "kernel-started", "no-root", "emergency-mode", "cloud-init-failed")(attempt)


RULES = (
    Rule(
        "console.disk-instead-of-network",
        _FIRMWARE,
        _system_starts,
        "{node} booted what is on its disk instead of the network: {line}",
        (
            Cause(
                "network boot is disabled for the NIC, or is not in the firmware's boot order",
                "in the firmware's setup: enable PXE (or HTTP boot) on that NIC and put it before the disk",
            ),
            Cause(
                "the BMC's one-time boot order was ignored by the firmware, as some do",
                "`undercloud node boot-device pxe {node}`, with `--mode` as it is set",
            ),
            Cause(
                "the network boot timed out, and the firmware went on to the disk",
                "look at the link LEDs; set the switch port to edge (portfast) in the provisioning VLAN",
            ),
        ),
        certain=True,
    ),
    Rule(
        "console.secure-boot",
        (Hop.LOADER, *_LOADING, Hop.REPORT, Hop.HOME),
        signs("secure-boot"),
        "Secure Boot of {node} refuses what it was given: {line}",
        (
            Cause(
                "the loader or kernel is not signed by a key that the firmware trusts",
                "let the seed serve shim and GRUB: `provisioning: {{uefi_loader: grub}}` in undercloud.yaml",
            ),
            Cause(
                "the firmware's list of revoked loaders (dbx) is newer than the loader",
                "update shim-signed and grub-efi-amd64-signed on the seed, then restart it",
            ),
            Cause(
                "this machine is not meant to have Secure Boot on",
                "switch it off: `undercloud node bios set --help`, or in the firmware's setup",
            ),
        ),
        certain=True,
    ),
    Rule(
        "console.no-link",
        _FIRMWARE,
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
            Cause(
                "a firewall drops TFTP, or its answers, which come from another port",
                "open UDP 69; on firewalls load nf_conntrack_tftp, or open UDP 1024-65535 from {seed}",
            ),
            Cause(
                "blocks larger than the path carries (MTU, a tunnel)",
                "set one MTU along the path; `ping -M do -s 1472` to it must pass",
            ),
        ),
    ),
    Rule(
        "console.no-file",
        (Hop.LOADER, *_LOADING),
        signs("pxe-not-found", "ipxe-not-found", "ipxe-denied"),
        "{node} is told that what it wants to boot is not there: {line}",
        (
            Cause(
                "another DHCP server names a boot file or server of its own",
                "capture it: `tcpdump -ni IFACE -w FILE port 67 or port 68`, then "
                "`undercloud why {node} --pcap FILE`",
            ),
            _IMAGES,
        ),
    ),
    Rule(
        "console.no-filename",
        _LOADING,
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
        _LOADING,
        signs("ipxe-timeout", "ipxe-refused", "ipxe-unreachable", "ipxe-no-name"),
        "the boot loader of {node} does not reach the seed by HTTP: {line}",
        (_HTTP,),
    ),
    Rule(
        "console.not-executable",
        _LOADING,
        signs("ipxe-not-executable"),
        "{node} does not take the kernel that it fetched: {line}",
        (
            Cause(
                "Secure Boot refuses it",
                "let the seed serve shim and GRUB: `provisioning: {{uefi_loader: grub}}` in undercloud.yaml",
            ),
            Cause(
                "it is for another architecture", "`undercloud image list` shows which; name a fitting one"
            ),
        ),
    ),
    Rule(
        "console.out-of-memory",
        (*_LOADING, *_AGENT),
        signs("out-of-memory"),
        "{node} has too little memory for the ramdisk: {line}",
        (_MEMORY,),
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
            _MEMORY,
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
        (*_LOADING, *_AGENT, Hop.HOME),
        signs("kernel-panic", "no-root"),
        "the kernel of {node} panics: {line}",
        (
            Cause(
                "the kernel does not bear this machine's timer, firmware or CPU",
                "add the kernel argument that the panic asks for to `ramdisk: kernel_arguments`; try another "
                "kernel (`undercloud image build-ramdisk --kernel generic`)",
            ),
            _MEMORY,
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
        "console.nothing-to-boot",
        (*_FIRMWARE, Hop.SCRIPT),
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
        _LOADING,
        signs("ipxe-failed"),
        "the boot loader of {node} gives up: {line}",
        (
            Cause("what its error number says", "open the URL that it prints (https://ipxe.org/err/...)"),
            _HTTP,
        ),
    ),
    Rule(
        "ramdisk.no-nic-driver",
        (Hop.REPORT,),
        _nic_without_driver,
        "the ramdisk of {node} has no driver for its NIC: {line}",
        (
            Cause("a cloud kernel has drivers of virtio, ENA, gVNIC and mlx5 alone", _OTHER_RAMDISK),
            Cause("the card wants firmware that the ramdisk lacks", _OTHER_RAMDISK),
        ),
        certain=True,
    ),
    Rule(
        "ramdisk.no-disk-driver",
        (Hop.LOOKUP, Hop.HEARTBEAT, Hop.IMAGE),
        _disks_without_driver,
        "the ramdisk of {node} sees no disk, and has no driver for their controller: {line}",
        (Cause("a cloud kernel has drivers of virtio and NVMe alone", _OTHER_RAMDISK),),
        certain=True,
    ),
    Rule(
        "agent.clock",
        _AGENT,
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
        _AGENT,
        signs("tls"),
        "TLS between the agent on {node} and the seed fails: {line}",
        (
            Cause(
                "a clock is wrong: certificates are not valid yet", "`timedatectl` on the seed, `date` there"
            ),
            Cause(
                "something between them answers in the seed's name (a proxy)",
                "let nothing intercept HTTP in the provisioning network",
            ),
        ),
    ),
    Rule(
        "agent.no-route",
        _AGENT,
        signs("no-route", "agent-timeout", "agent-refused"),
        "the agent on {node} cannot reach the seed: {line}",
        (
            _HTTP,
            Cause(
                "the netmask or router that the ramdisk got is wrong, or it took another NIC",
                "`undercloud node console {node}` shows its addresses; compare with the provisioning network",
            ),
        ),
    ),
    Rule(
        "agent.no-disk",
        (*_AGENT, Hop.IMAGE),
        signs("agent-no-disk"),
        "the agent on {node} finds no disk that it could write: {line}",
        (
            Cause(
                "no driver for its disk controller: a cloud kernel has those of virtio and NVMe alone",
                "`undercloud image build-ramdisk --kernel generic --with-firmware`, and name it as "
                "`ramdisk: image` in undercloud.yaml",
            ),
            Cause("the disk is smaller than 4 GiB, or dead", "look at its LED; `undercloud node sel {node}`"),
        ),
    ),
    Rule(
        "agent.crashed",
        _AGENT,
        signs("agent-failed"),
        "the agent on {node} crashed: {line}",
        (Cause("a bug, or a disk that breaks it", "`undercloud node console {node}` has the whole log"),),
    ),
    Rule(
        "console.hardware",
        (*_LOADING, *_AGENT, Hop.IMAGE, Hop.HOME),
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
                "`blkid -L config-2` there; the image must have the ConfigDrive data source",
            ),
            Cause(
                "user data that it cannot take", "there: `cloud-init schema --system`, `cloud-init status`"
            ),
        ),
    ),
)
