"""A host that runs from memory: from its kernel until it calls home."""

from __future__ import annotations

from pxe.diagnosis.advice import HOST_NETWORK
from pxe.diagnosis.attempt import Attempt, Way
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, always, found
from pxe.milestones import Hop

_AGAIN = 3  # times that its initramfs was loaded in one boot: the kernel died, or reset the machine


def _comes_back(attempt: Attempt) -> Match | None:
    loads = attempt.of("boot.initramfs") if attempt.way is Way.HOST else ()
    return found(loads, times=len(loads)) if len(loads) >= _AGAIN else None


def _silent(attempt: Attempt) -> Match | None:
    return always(attempt) if attempt.way is Way.HOST else None


RULES = (
    Rule(
        "host.comes-back",
        (Hop.HOME,),
        _comes_back,
        "{node} loaded its host's ramdisk {times} times and started anew each time",
        (
            Cause(
                "the kernel panics, or the first program of the initramfs ends",
                "`undercloud node console {node}` shows its last words; with `panic=0` among its kernel "
                "arguments it stops there",
            ),
            Cause("the initramfs does not fit into the machine's memory", "take an image that is smaller"),
        ),
        certain=True,
    ),
    Rule(
        "host.silent",
        (Hop.HOME,),
        _silent,
        "{node} fetched its host's ramdisk, and its operating system never called home",
        (
            Cause(
                "no cloud-init runs in this image, or it leaves the initramfs for another root file system",
                "declare `calls_home: false`, or take an image whose cloud-init reads /var/lib/cloud/seed/"
                "config_drive",
            ),
            Cause(
                "the kernel or the initramfs hangs: no driver for this hardware, or not enough memory",
                "`undercloud node console {node}` shows its last words",
            ),
            HOST_NETWORK,
        ),
    ),
)
