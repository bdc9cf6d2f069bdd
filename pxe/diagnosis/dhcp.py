"""From the question for an address to the address: nobody answers, or somebody else does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from pxe.diagnosis.advice import LATE_PORT, VLAN
from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.clients import architecture
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, always, found, kinds
from pxe.firmware import ARCHITECTURES, UEFILoader, has_loader
from pxe.milestones import Hop, Milestone

_ANSWER = (Hop.OFFER, Hop.LEASE)
_ASKED = ("boot.dhcpdiscover", "boot.dhcprequest")
MOMENT = timedelta(seconds=1)


def _tagged(attempt: Attempt) -> Match | None:
    return found([m for m in attempt.of("boot.dhcpdiscover") if m.data.get("vlan")])


def _foreign(attempt: Attempt) -> Match | None:
    """Where the seed is a DHCP proxy, another server is to give the address; but no boot file.

    An offer that was passed over, since the machine took ours, explains nothing.
    """
    answers = list(attempt.of("boot.foreign-dhcp"))
    if attempt.dhcp == "proxy":
        answers = [m for m in answers if m.data.get("file")]
    if Hop.LEASE in attempt.first:
        again = _asked_again(attempt)
        answers = [m for m in answers if m.data.get("answer") != "offer" or m in again]
    known = next((m.data for m in answers if m.data.get("server_mac")), {})
    note = f"the DHCP server of this network should be {attempt.seed}" if attempt.seed else ""
    return found(answers, *filter(None, [note]), **known)


def _asked_again(attempt: Attempt) -> tuple[Milestone, ...]:
    """What was seen since the machine asked anew; answers to what it asked before may be late by seconds.

    A question of the moment of its lease is the one that led to it: the log and the wire are two witnesses.
    """
    later, lease = attempt.since_reached, attempt.first[Hop.LEASE].at
    asked = [place for place, m in enumerate(later) if m.kind == "boot.dhcpdiscover" and _after(m.at, lease)]
    return later[asked[0] :] if asked else ()


def _after(at: datetime | None, lease: datetime | None) -> bool:
    return at is None or lease is None or at - lease > MOMENT


def _because(reason: str) -> Callable[[Attempt], Match | None]:
    """Asks for a DISCOVER that our server says it did not answer, for this reason (dnsmasq's words)."""
    return lambda attempt: found([m for m in attempt.of(*_ASKED) if m.data.get("reason") == reason])


def _no_loader(attempt: Attempt) -> Match | None:
    code = architecture(attempt)
    if code is None or has_loader(code, UEFILoader(attempt.uefi_loader)):
        return None
    asked = [m for m in attempt.of("boot.dhcpdiscover") if m.data.get("architecture") == code]
    known = ARCHITECTURES.get(code)
    return found(asked, code=code, name=known.name if known else "one that is not registered")


def _proxy(attempt: Attempt) -> Match | None:
    return always(attempt) if attempt.dhcp == "proxy" else None


def _relay(attempt: Attempt) -> Match | None:
    return always(attempt) if attempt.dhcp == "relay" else None


def _site(attempt: Attempt) -> Match | None:
    return found(attempt.of(*_ASKED)) if attempt.dhcp == "site" else None


def _offers(attempt: Attempt) -> Match | None:
    offers = attempt.of("boot.dhcpoffer")
    return found(offers, times=len(offers), asked=len(attempt.of("boot.dhcpdiscover")))


RULES = (
    Rule(
        "dhcp.foreign",
        (*_ANSWER, Hop.LOADER, Hop.SCRIPT),
        _foreign,
        "another DHCP server answers {node} first: {server}, MAC {server_mac}",
        (
            Cause(
                "a DHCP server that nobody meant to be in this network (a router, a hypervisor)",
                "on the switch find the port of {server_mac} (`show mac address-table`) and take it off this "
                "VLAN, or switch its DHCP off; DHCP snooping keeps the next one away",
            ),
            Cause(
                "the site's own DHCP server, which is to stay",
                "let the seed be a proxy beside it: `provisioning: {{dhcp: proxy}}` in undercloud.yaml",
            ),
        ),
        certain=True,
    ),
    Rule(
        "dhcp.tagged",
        _ANSWER,
        _tagged,
        "{node} asks in VLAN {vlan}, tagged, where the seed does not hear it",
        (
            Cause(
                "the firmware of the NIC has a VLAN set",
                "in the firmware's setup of this NIC clear the VLAN, or use VLAN {vlan} for provisioning",
            ),
            Cause(
                "the seed's own port is a trunk without an untagged VLAN",
                "give the seed an interface in VLAN {vlan} and name that in `provisioning: interface`",
            ),
        ),
        certain=True,
    ),
    Rule(
        "dhcp.ignored",
        _ANSWER,
        _because("ignored"),
        "the seed's DHCP ignores {mac}: it was not told about this MAC",
        (
            Cause(
                "the MAC is not recorded for any node",
                "`undercloud node set {node} --mac {mac}` (with its other MACs)",
            ),
            Cause("the node is decommissioned", "such a node gets no answer; enrol it again to use it"),
            Cause("another seed leads the network", "`undercloud seed status` on each; only one may answer"),
        ),
        certain=True,
    ),
    Rule(
        "dhcp.exhausted",
        _ANSWER,
        _because("no address available"),
        "the seed's DHCP has no address for {node}: {said}",
        (
            Cause(
                "the range is used up",
                "widen `provisioning: dhcp_range` (behind a relay that of its subnet) in undercloud.yaml; "
                "`undercloud seed stop`, then `start`",
            ),
        ),
        certain=True,
    ),
    Rule(
        "dhcp.declined",
        (*_ANSWER, Hop.LOADER),
        kinds("boot.dhcpdecline"),
        "{node} declines the address that it was given: somebody else has {address}",
        (
            Cause(
                "a machine with this address set by hand is in the network",
                "`ip neigh` and `arping {address}` on the seed show its MAC; move it or the range",
            ),
        ),
        certain=True,
    ),
    Rule(
        "loader.architecture",
        (*_ANSWER, Hop.LOADER),
        _no_loader,
        "there is no boot loader for the architecture that {node} asks with: {code}, {name}",
        (
            Cause(
                "the firmware boots in another mode than is served here",
                "`undercloud node boot-device pxe {node} --mode uefi` (or bios), or in the firmware's setup",
            ),
            Cause(
                "the machine has a processor that the seed has no loader for",
                "install its package (docs/booting.md names them); `undercloud seed stop`, then `start`",
            ),
        ),
        certain=True,
    ),
    Rule(
        "dhcp.no-offer-relay",
        (Hop.OFFER,),
        _relay,
        "{node} asks for an address, and the seed offers none through the relay",
        (
            Cause(
                "the relay (ip helper-address) does not name the seed, or its subnet has no range",
                "set the helper address to {seed}; name the relay's subnet under `provisioning: subnets`",
            ),
            Cause("the seed has no route back to the relay", "`ip route get RELAY` on the seed"),
        ),
    ),
    Rule(
        "dhcp.no-offer-proxy",
        (Hop.OFFER,),
        _proxy,
        "{node} asks for an address, and the site's DHCP server offers none",
        (
            Cause(
                "the site's DHCP server does not know this MAC, or is out of addresses",
                "have it give {node} an address; the seed only adds what to boot (`dhcp: proxy`)",
            ),
            Cause("the site's server is in another VLAN", VLAN.do),
        ),
    ),
    Rule(
        "dhcp.no-offer-site",
        (Hop.OFFER,),
        _site,
        "{node} asks for an address, and no DHCP server answers",
        (
            Cause(
                "no DHCP server serves the VLAN that this port is in, and no relay leads to one",
                "compare the switch port's VLAN with the server's; on the router of this VLAN set "
                "`ip helper-address` to the server",
            ),
            Cause(
                "the server answers, but not here: DHCP snooping or a firewall drops its answers",
                "trust the server's switch port (`ip dhcp snooping trust`); capture at the server as well",
            ),
            Cause(
                "the server knows the machine by another MAC, or has no address left",
                "look for {mac} in the server's log and reservations",
            ),
        ),
    ),
    Rule(
        "dhcp.no-offer",
        (Hop.OFFER,),
        always,
        "{node} asks for an address, and the seed does not answer",
        (
            Cause(
                "the seed's DHCP does not run, or another seed leads",
                "`undercloud seed status`; the end of its log says why dnsmasq ended",
            ),
            Cause("the seed's firewall drops it", "open UDP 67 on the seed's provisioning interface"),
            Cause(
                "the request comes to another interface of the seed than dnsmasq answers on",
                "`provisioning: interface` in undercloud.yaml must be the one in this machine's VLAN",
            ),
        ),
    ),
    Rule(
        "dhcp.refused",
        (Hop.LEASE,),
        kinds("boot.dhcpnak"),
        "the seed's DHCP refuses what {node} asks for: {said}",
        (
            Cause(
                "it asks for an address of an earlier lease, or of another server",
                "it should ask anew by itself; if it does not, power it off and on",
            ),
            Cause(
                "two nodes are declared with one address",
                "look for the address in the declaration (site.yaml); each host needs its own",
            ),
        ),
    ),
    Rule(
        "dhcp.offer-unheard",
        (Hop.LEASE,),
        _offers,
        "the seed offers {node} an address ({times} times), and it does not take it",
        (
            Cause(
                "the offer does not reach it: a VLAN that works one way, DHCP snooping that does "
                "not trust the seed's port, or a firewall on the bridge",
                "trust the seed's port (`ip dhcp snooping trust`); capture at both ends: "
                "`tcpdump -ni IFACE port 67 or port 68`",
            ),
            LATE_PORT,
            Cause(
                "the firmware wants what the offer lacks: UEFI HTTP boot or PXE in the other boot mode",
                "set the boot mode: `undercloud node boot-device pxe {node} --mode uefi` (or bios)",
            ),
            Cause(
                "another DHCP server was quicker, unseen by the seed",
                "`undercloud why {node} --pcap FILE` with a capture from the machine's switch port",
            ),
        ),
    ),
)
