"""Virtual media: the boot ISO that a BMC puts into the virtual drive of its machine."""

from __future__ import annotations

from pxe.diagnosis.advice import MEDIA_ROUTE
from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, always, found
from pxe.milestones import Hop


def _media(attempt: Attempt) -> Match | None:
    if attempt.boot_interface != "virtual-media" or attempt.of("boot.media"):
        return None
    return always(attempt)


def _media_not_fetched(attempt: Attempt) -> Match | None:
    return found(attempt.of("boot.media"), "no request for it came from any BMC since then")


RULES = (
    Rule(
        "loader.media-not-fetched",
        (Hop.LOADER,),
        _media_not_fetched,
        "the BMC of {node} was given a boot ISO, and does not fetch it",
        (
            MEDIA_ROUTE,
            Cause(
                "the machine does not look into the virtual drive: many BMCs fetch only what is read",
                "`undercloud node console {node}`; virtual media may be switched off in the firmware's setup",
            ),
            Cause(
                "the BMC takes https alone, or wants to know its certificate",
                "put a proxy with a certificate that the BMC trusts before the seed, and name it as "
                "`provisioning: media_url`",
            ),
        ),
    ),
    Rule(
        "loader.no-media",
        (Hop.LOADER,),
        _media,
        "the boot image was not inserted into the virtual drive of {node}",
        (
            Cause(
                "the BMC has no virtual media, or its licence does not cover it",
                "`undercloud node media list {node}`; else boot it from the network: "
                "`undercloud node set {node} --boot-interface pxe`",
            ),
            MEDIA_ROUTE,
            Cause(
                "another image, or somebody's remote console, holds the drive",
                "`undercloud node media detach {node}`; close remote consoles",
            ),
        ),
    ),
)
