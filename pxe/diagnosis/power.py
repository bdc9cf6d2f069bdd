"""Never powered on, or off again."""

from __future__ import annotations

from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, always, found, step_failed
from pxe.milestones import Hop, StepFault


def _refused(attempt: Attempt) -> Match | None:
    said = attempt.of("step.failed", "step.retry")
    return found([m for m in said if m.data.get("fault") == StepFault.BMC])


def _broken_off(attempt: Attempt) -> Match | None:
    return found([m for m in attempt.of("step.failed") if m.data.get("fault") != StepFault.BMC])


def _off(attempt: Attempt) -> Match | None:
    if step_failed(StepFault.NO_POWER)(attempt):
        return Match(attempt.milestones[-1:])
    if attempt.powered is False:
        return Match(attempt.milestones[-1:], notes=("its BMC says: off",))
    return None


RULES = (
    Rule(
        "power.refused",
        (Hop.POWER, Hop.REBOOT),
        _refused,
        "the BMC of {node} did not switch it on: {said}",
        (
            Cause(
                "the BMC does not answer, or refuses the log-in",
                "check the cable of the BMC's port and its address; `undercloud node manage {node}` tries "
                "the log-in again",
            ),
            Cause(
                "power is inhibited: a power cap of the chassis, a dead power supply, or an open lid",
                "look at the LEDs of both power supplies; read `undercloud node sel {node}`",
            ),
            Cause(
                "the BMC's firmware hangs",
                "reset the BMC alone (pull the node's power cords for 30 s where it has no reset button)",
            ),
        ),
    ),
    Rule(
        "power.not-asked",
        (Hop.POWER, Hop.REBOOT),
        _broken_off,
        "{node} was not switched on, because the run broke off before: {said}",
        (Cause("what the error says", "put that right and ask for the verb again"),),
        certain=True,
    ),
    Rule(
        "power.lost",
        tuple(hop for hop in Hop if hop not in (Hop.POWER, Hop.IMAGE)),
        _off,
        "{node} was switched on, but is off now",
        (
            Cause(
                "it switched itself off: power supply, overheating, or an error at power-on self-test",
                "read `undercloud node sel {node}` and look at the front panel's LEDs",
            ),
            Cause(
                "somebody pressed the power button, or a PDU switched the outlet",
                "ask who; then ask for the verb again",
            ),
        ),
        certain=True,
    ),
    Rule(
        "power.off",
        (Hop.POWER, Hop.REBOOT),
        _off,
        "{node} is off, and nobody switched it on",
        (Cause("nobody asked for it", "`undercloud node power on {node}`, or ask for the verb again"),),
    ),
    Rule(
        "power.unknown",
        (Hop.POWER, Hop.REBOOT),
        always,
        "nothing tells that {node} was ever switched on",
        (
            Cause(
                "the seed did not switch it on, and sees nothing of it on the provisioning network",
                "`undercloud node power on {node}`, or ask for the verb again",
            ),
        ),
    ),
)
