"""A run that broke off for a reason of its own, while its machine was on its way."""

from __future__ import annotations

from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, found
from pxe.milestones import Hop, StepFault


def _broken_off(attempt: Attempt) -> Match | None:
    """A run that failed before the hop had its time, for another reason than that it waited in vain."""
    failed = attempt.of("step.failed")[-1:]
    return None if not failed or failed[0].data.get("fault") == StepFault.IN_VAIN else found(failed)


RULES = (
    Rule(
        "run.broke-off",
        tuple(hop for hop in Hop if hop not in (Hop.POWER, Hop.REBOOT, Hop.IMAGE)),
        _broken_off,
        "{node} was on its way, but the run broke off: {said}",
        (
            Cause("what the error says", "put that right and ask for the verb again"),
            Cause(
                "the BMC stopped answering meanwhile",
                "`undercloud node bmc stats {node}`; check the cable of the BMC's port",
            ),
        ),
        certain=True,
    ),
)
