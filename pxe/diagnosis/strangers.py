"""A machine that asks by a MAC which nobody knows: the wrong NIC."""

from __future__ import annotations

from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, found
from pxe.milestones import Hop, Milestone


def _same_machine(attempt: Attempt) -> Match | None:
    """By option 97, SMBIOS' UUID, which the BMC tells too; or by the MAC that its own console names."""
    return found([m for m in attempt.strangers if _has_uuid(attempt, m) or _on_console(attempt, m)])


def _has_uuid(attempt: Attempt, stranger: Milestone) -> bool:
    uuid = (attempt.system_uuid or "").lower()
    return bool(uuid) and str(stranger.data.get("uuid") or "").lower() == uuid


def _on_console(attempt: Attempt, stranger: Milestone) -> bool:
    mac = (stranger.mac or "").lower()
    return bool(mac) and any(mac in m.message.lower() for m in attempt.of("boot.console"))


def _stranger(attempt: Attempt) -> Match | None:
    known = ", ".join(attempt.macs) or "none"
    return found(attempt.strangers, f"known MACs of {attempt.node}: {known}; none of them asked")


RULES = (
    Rule(
        "nic.not-known",
        (Hop.DISCOVER,),
        _same_machine,
        "{node} boots from a NIC that is not known of it: {mac}",
        (
            Cause(
                "another NIC is cabled or enabled than was recorded, or it was replaced",
                "`undercloud node set {node} --mac {mac}` (with its other MACs), or boot from the known NIC",
            ),
        ),
        certain=True,
    ),
    Rule(
        "nic.stranger",
        (Hop.DISCOVER,),
        _stranger,
        "no known MAC of {node} asks for an address, but an unknown one does: {mac}",
        (
            Cause(
                "{mac} is this machine: it boots from another NIC than was recorded, or the NIC was replaced",
                "compare with the label in the rack or `undercloud node show {node}`; then "
                "`undercloud node set {node} --mac {mac}`",
            ),
            Cause(
                "{mac} is another machine that is not enrolled, and this one is silent",
                "see what it is: `undercloud discover`; then check this node's cable and VLAN",
            ),
            Cause(
                "the switch port of this one is in another VLAN, or takes tagged frames only",
                "on the switch: `show mac address-table` for the node's MAC; make the provisioning VLAN the "
                "port's access (native) VLAN",
            ),
        ),
    ),
)
