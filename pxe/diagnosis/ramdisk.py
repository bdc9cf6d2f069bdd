"""From the kernel to an agent that is ready for commands: the ramdisk, its network and its disks."""

from __future__ import annotations

from pxe.diagnosis.advice import NO_DISK_DRIVER, NO_NIC_DRIVER, OR_OFF, OTHER_RAMDISK, SIGNED_LOADERS
from pxe.diagnosis.attempt import CALLS, Attempt
from pxe.diagnosis.clients import DHCP
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, always, found, kinds
from pxe.milestones import Hop

_ROUTE = Cause(
    "the ramdisk has no way to the seed: wrong netmask, router or VLAN, or a firewall on the HTTP port",
    "`undercloud node console {node}` shows what the agent gets; `curl {url}` from a machine in this "
    "network must answer",
)


def _foreign_later(attempt: Attempt) -> Match | None:
    later = attempt.after("boot.initramfs")
    return found([m for m in later if m.kind == "boot.foreign-dhcp" and m.data.get("answer") != "offer"])


def _no_address(attempt: Attempt) -> Match | None:
    """The ramdisk asks for an address as soon as it has a NIC; iPXE's own was before."""
    if not attempt.of("boot.initramfs") or attempt.boot_interface != "pxe":
        return None
    if any(m.kind in DHCP for m in attempt.after("boot.initramfs")):
        return None
    return found(attempt.of("boot.initramfs"), "no request for an address since then")


def _address_without_lease(attempt: Attempt) -> Match | None:
    later = attempt.after("boot.initramfs") if attempt.of("boot.initramfs") else ()
    asked = [m for m in later if m.kind in DHCP]
    return None if any(m.kind == "boot.dhcpack" for m in asked) else found(asked)


def _no_disks(attempt: Attempt) -> Match | None:
    return found([m for m in attempt.of("agent.report") if m.data.get("disks") == 0])


RULES = (
    Rule(
        "agent.refused",
        (*CALLS, Hop.IMAGE),
        kinds("agent.refused"),
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
        kinds("boot.loop"),
        "the ramdisk of {node} was loaded {times} times since power-on and dies each time; it is stopped now",
        (
            Cause(
                "its kernel panics or resets the machine",
                "`undercloud node console {node}` shows its last words; try another kernel: " + OTHER_RAMDISK,
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
                "give it 3 GiB at least; update firmware that puts it below 4 GiB alone",
            ),
            Cause("Secure Boot refuses the kernel", SIGNED_LOADERS + OR_OFF),
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
            NO_NIC_DRIVER,
            Cause(
                "the kernel hangs or panics early, unseen because no serial console is read",
                "`undercloud node console {node}`; name the machine's serial port by console= among "
                "`ramdisk: kernel_arguments`",
            ),
            Cause(
                "Secure Boot refuses the kernel",
                SIGNED_LOADERS + OR_OFF,
            ),
            Cause("too little memory to unpack the ramdisk", "give it 3 GiB at least"),
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
            Cause("the ramdisk hangs", "`undercloud node console {node}` shows its last words"),
        ),
    ),
    Rule(
        "ramdisk.no-disk",
        (Hop.LOOKUP, Hop.HEARTBEAT, Hop.IMAGE),
        _no_disks,
        "the ramdisk runs on {node} and sees no disk",
        (
            NO_DISK_DRIVER,
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
)
