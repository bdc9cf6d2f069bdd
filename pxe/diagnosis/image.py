"""The image: what the agent is told to write, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable

from pxe.diagnosis.advice import NO_DISK_DRIVER
from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, always, found, kinds, step_failed
from pxe.milestones import Hop, StepFault


def _agent_said(*words: str) -> Callable[[Attempt], Match | None]:
    """Asks for a step that failed with any of these words: the agent has no other way to tell."""

    def asks(attempt: Attempt) -> Match | None:
        failed = attempt.of("step.failed")
        return found([m for m in failed if any(word in m.message.lower() for word in words)])

    return asks


def _no_disk_fits(attempt: Attempt) -> Match | None:
    return step_failed(StepFault.NO_DISK_FITS)(attempt) or _agent_said("no suitable device")(attempt)


RULES = (
    Rule(
        "image.checksum",
        (Hop.IMAGE,),
        _agent_said("checksum", "failed to verify"),
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
        _no_disk_fits,
        "no disk of {node} is the one that the image is to go to: {said}",
        (
            Cause(
                "root_device of its profile fits none of its disks, or several",
                "compare it with the disks of `undercloud node show {node}`",
            ),
            Cause("a disk is missing or dead", "look at the LEDs; `undercloud node sel {node}`"),
            NO_DISK_DRIVER,
        ),
        certain=True,
    ),
    Rule(
        "image.no-space",
        (Hop.IMAGE,),
        _agent_said("space", "memory"),
        "{node} has too little room for the image: {said}",
        (
            Cause(
                "a qcow2 image is kept in memory before it is converted",
                "add the same image with `undercloud image add --compress`, which is written as it comes",
            ),
        ),
        certain=True,
    ),
    Rule(
        "image.another-machine",
        (Hop.IMAGE,),
        step_failed(StepFault.OTHER_MACHINE),
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
        step_failed(StepFault.AGENT_GONE),
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
        kinds("step.failed"),
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
            Cause("the agent is gone", "`undercloud node console {node}` shows its last words"),
        ),
    ),
)
