"""From the boot loader to the kernel: the address that iPXE asks for, the script, and what it names."""

from __future__ import annotations

from pxe.diagnosis.advice import HTTP_FIREWALL, NO_IMAGE
from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.clients import after_loader_asked
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, always, found, kinds
from pxe.milestones import Hop


def _ipxe_without_address(attempt: Attempt) -> Match | None:
    asked = after_loader_asked(attempt)
    return None if any(m.kind == "boot.dhcpack" for m in asked) else found(asked)


def _sent_to_disk(attempt: Attempt) -> Match | None:
    return found([m for m in attempt.of("boot.script") if m.data.get("boots") == "disk"])


RULES = (
    Rule(
        "script.refused",
        (Hop.SCRIPT, Hop.KERNEL),
        kinds("boot.script-refused"),
        "{node} asked for its boot script and was refused: {said}",
        (
            Cause(
                "the MAC that it boots from belongs to no node",
                "`undercloud node set {node} --mac {mac}` (with its other MACs)",
            ),
            NO_IMAGE,
        ),
        certain=True,
    ),
    Rule(
        "script.no-address",
        (Hop.SCRIPT,),
        _ipxe_without_address,
        "iPXE runs on {node} but gets no address",
        (
            Cause(
                "the switch port went down while iPXE took the NIC over (spanning tree)",
                "set the port to edge (portfast), without LACP",
            ),
            Cause("another DHCP server answered iPXE", "`undercloud why {node} --pcap FILE`"),
        ),
    ),
    Rule(
        "script.not-asked",
        (Hop.SCRIPT,),
        always,
        "the boot loader runs on {node}, but never asks for its boot script",
        (
            HTTP_FIREWALL,
            Cause(
                "the loader has no route to the seed",
                "the netmask and router that DHCP gives must lead to {seed}",
            ),
        ),
    ),
    Rule(
        "script.to-disk",
        (Hop.KERNEL,),
        _sent_to_disk,
        "{node} was sent to its disk, though it should boot the ramdisk",
        (
            Cause(
                "it asked before the run was ready for it, or after it was over",
                "ask for the verb again; if this comes back, report it with `undercloud node history {node}`",
            ),
        ),
        certain=True,
    ),
    Rule(
        "kernel.not-fetched",
        (Hop.KERNEL,),
        always,
        "{node} has its boot script and does not fetch the kernel",
        (
            NO_IMAGE,
            Cause(
                "the loader has too little memory or broke off",
                "`undercloud node console {node}` shows its last words, often with a URL such as "
                "ipxe.org/err/...",
            ),
            HTTP_FIREWALL,
        ),
    ),
)
