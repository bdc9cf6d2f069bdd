"""From power-on to the first question for an address: none is heard, or not one of the firmware."""

from __future__ import annotations

from pxe.diagnosis.advice import BOOT_ORDER_IGNORED, LATE_PORT, VLAN, WRONG_NIC
from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.clients import is_system
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, always, found, kinds, signs
from pxe.milestones import Hop

_ASKED = ("boot.dhcpdiscover", "boot.dhcprequest")


def _system_asks(attempt: Attempt) -> Match | None:
    before = attempt.milestones if not attempt.of("boot.initramfs") else ()
    asked = [m for m in before if m.kind in _ASKED and is_system(m)]
    home = attempt.of("instance.home")
    return found([*asked, *home])


RULES = (
    Rule(
        "disk.instead-of-network",
        (Hop.DISCOVER, Hop.OFFER, Hop.LEASE, Hop.LOADER),
        _system_asks,
        "{node} booted what is on its disk instead of the network",
        (
            BOOT_ORDER_IGNORED,
            Cause(
                "the NIC is not in the firmware's boot order, or its network boot is disabled",
                "in the firmware's setup: enable PXE (or HTTP boot) on that NIC and put it before the disk",
            ),
            Cause("the network boot timed out, and the firmware went on to the disk", LATE_PORT.do),
        ),
    ),
    Rule(
        "nic.ipv6-alone",
        (Hop.DISCOVER,),
        kinds("boot.dhcp6"),
        "{node} asks for its boot file by IPv6, which is not served here, and not by IPv4",
        (
            Cause(
                "IPv4 network boot is disabled in its firmware, or comes after IPv6",
                "in the firmware's setup enable IPv4 PXE (or HTTP) for this NIC and put it first",
            ),
        ),
    ),
    Rule(
        "nic.unheard",
        (Hop.DISCOVER,),
        signs("pxe-no-offer", "ipxe-no-address"),
        "{node} asks for an address on a network where the seed does not hear it: {line}",
        (VLAN, WRONG_NIC, LATE_PORT),
    ),
    Rule(
        "nic.silent",
        (Hop.DISCOVER,),
        always,
        "{node} was switched on, but nothing is heard of it on the provisioning network",
        (
            Cause(
                "the cable: not plugged in, or in another port; no link",
                "look at the link LEDs of NIC and switch; follow the cable",
            ),
            VLAN,
            WRONG_NIC,
            Cause(
                "it booted from disk, or its firmware waits for a key",
                "look: `undercloud node console {node}`; in the firmware's setup put network boot first",
            ),
            Cause(
                "it hangs in its power-on self-test (memory training takes minutes after a change of DIMMs)",
                "`undercloud node sel {node}`; look at the front panel's LEDs and code display",
            ),
        ),
    ),
)
