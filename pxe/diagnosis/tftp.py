"""The boot file by TFTP: refused, unanswered, or broken off."""

from __future__ import annotations

from collections.abc import Callable

from pxe.diagnosis.advice import MTU, TFTP_FIREWALL
from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, found, kinds
from pxe.milestones import Hop, TFTPFailure


def _failed(failure: TFTPFailure) -> Callable[[Attempt], Match | None]:
    return lambda attempt: found(
        [m for m in attempt.of("boot.tftp-failed") if m.data.get("failure") == failure]
    )


RULES = (
    Rule(
        "loader.not-found",
        (Hop.LOADER, Hop.SCRIPT),
        _failed(TFTPFailure.NOT_FOUND),
        "{node} asks for a boot file that the seed does not have: {said}",
        (
            Cause(
                "the name comes from elsewhere: another DHCP server, or one that was typed into firmware",
                "look at `next-server` and `filename` of the site's DHCP; clear it in the firmware's setup",
            ),
            Cause("the loader's package is not installed", "`undercloud doctor` on the seed names it"),
        ),
        certain=True,
    ),
    Rule(
        "loader.tftp-unanswered",
        (Hop.LOADER, Hop.SCRIPT),
        _failed(TFTPFailure.UNANSWERED),
        "{node} asks for its boot file by TFTP, and no answer arrives there: {said}",
        (
            TFTP_FIREWALL,
            Cause(
                "the request does not reach a TFTP server, or none runs there",
                "open UDP 69 on {seed} and on what stands between; `next-server` must name it",
            ),
        ),
    ),
    Rule(
        "loader.tftp-blocks",
        (Hop.LOADER, Hop.SCRIPT),
        _failed(TFTPFailure.FIRST_BLOCK),
        "TFTP to {node} stops at the first block of data: {said}",
        (
            MTU,
            TFTP_FIREWALL,
        ),
    ),
    Rule(
        "loader.tftp-broken",
        (Hop.LOADER, Hop.SCRIPT),
        kinds("boot.tftp-failed"),
        "TFTP to {node} breaks off: {said}",
        (
            TFTP_FIREWALL,
            MTU,
            Cause("a bad cable or a duplex mismatch", "look at error counters: `ethtool -S`, switch port"),
        ),
    ),
)
