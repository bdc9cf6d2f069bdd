"""From the kernel to an image on the disk: the ramdisk, its agent, and what that is told to do."""

from __future__ import annotations

from collections.abc import Callable

from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, always, found
from pxe.milestones import Hop

_CALLS = (Hop.REPORT, Hop.LOOKUP, Hop.HEARTBEAT)
_NET = ("boot.dhcpdiscover", "boot.dhcpoffer", "boot.dhcprequest", "boot.dhcpack")


def _kind(*kinds: str) -> Callable[[Attempt], Match | None]:
    return lambda attempt: found(attempt.of(*kinds))


def _said(*words: str) -> Callable[[Attempt], Match | None]:
    """Asks for a step of the run that failed with any of these words."""

    def asks(attempt: Attempt) -> Match | None:
        failed = attempt.of("step.failed")
        return found([m for m in failed if any(word in m.message.lower() for word in words)])

    return asks


def _foreign_later(attempt: Attempt) -> Match | None:
    later = attempt.after("boot.initramfs")
    return found([m for m in later if m.kind == "boot.foreign-dhcp" and m.data.get("answer") != "offer"])


def _no_address(attempt: Attempt) -> Match | None:
    """The ramdisk asks for an address as soon as it has a NIC; iPXE's own was before."""
    if not attempt.of("boot.initramfs") or attempt.boot_interface != "pxe":
        return None
    if any(m.kind in _NET for m in attempt.after("boot.initramfs")):
        return None
    return found(attempt.of("boot.initramfs"), "no request for an address since then")


def _address_without_lease(attempt: Attempt) -> Match | None:
    later = attempt.after("boot.initramfs") if attempt.of("boot.initramfs") else ()
    asked = [m for m in later if m.kind in _NET]
    return None if any(m.kind == "boot.dhcpack" for m in asked) else found(asked)


def _no_disks(attempt: Attempt) -> Match | None:
    return found([m for m in attempt.of("agent.report") if m.data.get("disks") == 0])


_ROUTE = Cause(
    "the ramdisk has no way to the seed: wrong netmask, router or VLAN, or a firewall on the HTTP port",
    "`undercloud node console {node}` shows what the agent gets; `curl http://{seed}:8080/` from a machine "
    "in this network must answer",
)
_CLOUD_KERNEL = "a cloud kernel has those of virtio, NVMe and mlx5 alone"
_BUILD = (
    "`undercloud image build-ramdisk --kernel generic --with-firmware`, and name it as `ramdisk: image` in "
    "undercloud.yaml"
)


RULES = (
    Rule(
        "agent.refused",
        (*_CALLS, Hop.IMAGE),
        _kind("agent.refused"),
        "the ramdisk of {node} runs, and the seed refuses its agent: {said}",
        (
            Cause(
                "an agent of an earlier boot still runs, or two machines tell the same MACs",
                "power the machine off and ask for the verb again; compare MACs in `undercloud node list`",
            ),
            Cause(
                "the machine is not the one that its BMC belongs to",
                "compare the serial number on the label with `undercloud node show {node}`",
            ),
        ),
        certain=True,
    ),
    Rule(
        "ramdisk.loop",
        (Hop.REPORT,),
        _kind("boot.loop"),
        "the ramdisk of {node} was loaded {times} times since power-on and dies each time; it is stopped now",
        (
            Cause(
                "its kernel panics or resets the machine",
                "`undercloud node console {node}` shows its last words; try another kernel: " + _BUILD,
            ),
            Cause(
                "a watchdog, or the BMC, resets the machine before the agent is up",
                "`undercloud node sel {node}` tells resets; switch the watchdog off in the firmware's setup",
            ),
        ),
        certain=True,
    ),
    Rule(
        "initramfs.not-fetched",
        (Hop.RAMDISK,),
        always,
        "{node} fetched the kernel, and not the whole ramdisk",
        (
            Cause(
                "the transfer broke off, or is very slow (a link at 100 Mb/s, a bad cable)",
                "look at the speed and the error counters of the switch port",
            ),
            Cause(
                "too little memory for it; iPXE then says 'Not enough space' or 'Error 0x34'",
                "3 GiB at least; some firmware keeps it below 4 GiB: update it",
            ),
            Cause("Secure Boot refuses the kernel", "take the signed kernel, or switch Secure Boot off"),
        ),
    ),
    Rule(
        "dhcp.foreign-to-ramdisk",
        (Hop.REPORT, Hop.LOOKUP),
        _foreign_later,
        "another DHCP server gave the ramdisk of {node} its address: {server}, MAC {server_mac}",
        (
            Cause(
                "a DHCP server that nobody meant to be in this network",
                "on the switch find the port of {server_mac} and take it off this VLAN",
            ),
        ),
    ),
    Rule(
        "ramdisk.no-nic",
        (Hop.REPORT,),
        _no_address,
        "{node} has fetched kernel and ramdisk, and its ramdisk never asks for an address",
        (
            Cause(f"no driver or firmware for its NIC: {_CLOUD_KERNEL}", _BUILD),
            Cause(
                "the kernel hangs or panics early, unseen because no serial console is read",
                "`undercloud node console {node}`; give the machine's own console= in "
                "`ramdisk.kernel_arguments`",
            ),
            Cause(
                "Secure Boot refuses the kernel",
                "the screen says so; take the signed kernel, or switch Secure Boot off",
            ),
            Cause("too little memory to unpack the ramdisk", "3 GiB at least"),
        ),
    ),
    Rule(
        "ramdisk.no-address",
        (Hop.REPORT,),
        _address_without_lease,
        "the ramdisk of {node} asks for an address and gets none",
        (
            Cause(
                "the switch port went down when the kernel took the NIC over, and forwards too late",
                "set the port to edge (portfast), without LACP",
            ),
            Cause(
                "the kernel names another NIC first, which is in another network",
                "cable that NIC to the provisioning network, or leave it uncabled",
            ),
        ),
    ),
    Rule(
        "agent.silent",
        (Hop.REPORT,),
        always,
        "the ramdisk of {node} was started, and its agent does not reach the seed's API",
        (
            _ROUTE,
            Cause(
                "the clock is so wrong that TLS fails",
                "set it in the firmware's setup (UTC); `timedatectl` on the seed",
            ),
            Cause("the ramdisk hangs", "`undercloud node console {node}`"),
        ),
    ),
    Rule(
        "ramdisk.no-disk",
        (Hop.LOOKUP, Hop.HEARTBEAT, Hop.IMAGE),
        _no_disks,
        "the ramdisk runs on {node} and sees no disk",
        (
            Cause(f"no driver for its disk controller: {_CLOUD_KERNEL}", _BUILD),
            Cause(
                "the controller shows no volume: RAID mode without one",
                "`undercloud node raid show {node}`; make a volume, or set the controller to HBA (JBOD)",
            ),
            Cause("the disks are not plugged in, or the backplane has no power", "look at their LEDs"),
        ),
        certain=True,
    ),
    Rule(
        "agent.no-lookup",
        (Hop.LOOKUP,),
        always,
        "the agent on {node} has reported its hardware and does not look itself up",
        (_ROUTE, Cause("the agent crashed", "`undercloud node console {node}` shows its log")),
    ),
    Rule(
        "agent.no-heartbeat",
        (Hop.HEARTBEAT,),
        always,
        "the agent on {node} looked itself up and is not ready for commands",
        (
            Cause(
                "it looks for disks that answer slowly or not at all, or has none of 4 GiB at least",
                "`undercloud node console {node}` shows its log; look at the disks' LEDs",
            ),
            Cause(
                "its clock is wrong, so that its certificate is not valid here",
                "set the clock in the firmware's setup (UTC)",
            ),
            Cause(
                "its address or token is another than at lookup: two agents pose as one node",
                "`undercloud events --node {node}`; power it off and ask for the verb again",
            ),
        ),
    ),
    Rule(
        "image.checksum",
        (Hop.IMAGE,),
        _said("checksum", "failed to verify"),
        "the image that {node} got is not the image that was declared: {said}",
        (
            Cause(
                "the file on the seed was changed or half copied after its checksum was taken",
                "`undercloud image verify IMAGE`, then add it again",
            ),
            Cause(
                "something changes it on the way: a proxy, or bad memory in the machine",
                "deploy another machine; if only this one fails, read `undercloud node sel {node}`",
            ),
        ),
        certain=True,
    ),
    Rule(
        "image.no-disk-fits",
        (Hop.IMAGE,),
        _said("no disk", "root_device", "no suitable device", "too small", "hints"),
        "no disk of {node} is the one that the image is to go to: {said}",
        (
            Cause(
                "root_device of its profile fits none of its disks, or several",
                "compare it with the disks of `undercloud node show {node}`",
            ),
            Cause("a disk is missing or dead", "look at the LEDs; `undercloud node sel {node}`"),
            Cause(f"no driver for its disk controller: {_CLOUD_KERNEL}", _BUILD),
        ),
        certain=True,
    ),
    Rule(
        "image.no-space",
        (Hop.IMAGE,),
        _said("space", "memory"),
        "{node} has too little room for the image: {said}",
        (
            Cause(
                "a qcow2 image is kept in memory before it is converted",
                "more memory, or the same image raw: `undercloud image add --help`",
            ),
        ),
        certain=True,
    ),
    Rule(
        "image.another-machine",
        (Hop.IMAGE,),
        _said("the machine that booted has serial", "of the machine's nics"),
        "another machine than {node} booted: {said}",
        (
            Cause(
                "the BMC at this address is that of another machine: cables or addresses were swapped",
                "switch on the identify LED (`undercloud node led on {node}`) and compare with the label; "
                "`undercloud discover` finds who is where",
            ),
            Cause(
                "a mainboard was replaced, or a MAC is recorded for the wrong node",
                "compare MACs and serial numbers of `undercloud node show {node}` with the machine's label",
            ),
        ),
        certain=True,
    ),
    Rule(
        "image.agent-gone",
        (Hop.IMAGE,),
        _said("lost power", "is silent", "does not answer"),
        "the agent of {node} was lost while the image was written: {said}",
        (
            Cause("the machine lost power or reset itself", "`undercloud node sel {node}`; look at its LEDs"),
            Cause("its link broke: cable, switch port", "look at the error counters of the switch port"),
            Cause(
                "the kernel crashed, or memory ran out",
                "`undercloud node console {node}` shows its last words",
            ),
        ),
        certain=True,
    ),
    Rule(
        "image.failed",
        (Hop.IMAGE,),
        _kind("step.failed"),
        "the image was not written to {node}: {said}",
        (
            Cause(
                "the agent says why", "`undercloud events --node {node}`; its log is on the serial console"
            ),
            Cause("the disk does not take writes", "`undercloud node sel {node}`; replace the disk"),
        ),
        certain=True,
    ),
    Rule(
        "image.not-written",
        (Hop.IMAGE,),
        always,
        "the agent of {node} is ready, and no image is written yet",
        (
            Cause("it is slow: the link, the disk, or many at once", "`undercloud node list` shows its step"),
            Cause("the agent is gone", "`undercloud node console {node}`"),
        ),
    ),
)
