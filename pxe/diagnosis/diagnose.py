"""From an attempt to its diagnosis: the rules of the missing hop, the most specific first."""

from __future__ import annotations

from pxe.diagnosis import (
    console_early,
    console_late,
    dhcp,
    disk,
    host,
    image,
    loader,
    media,
    nic,
    power,
    ramdisk,
    run,
    script,
    strangers,
    tftp,
)
from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.diagnosis import Diagnosis, Evidence, Verdict
from pxe.diagnosis.patience import patience, waited
from pxe.diagnosis.rule import Match, Rule, evidence_of
from pxe.milestones import Hop

# Of a file's rules those stand first that look for more; the last of each hop fits always. What is certain
# goes before what is only likely, so that nobody waits for what will not come.
_AS_WRITTEN: tuple[Rule, ...] = (
    *(*power.RULES, *strangers.RULES, *console_early.RULES, *console_late.RULES),
    *(*nic.RULES, *dhcp.RULES, *media.RULES, *tftp.RULES, *loader.RULES, *script.RULES),
    *(*ramdisk.RULES, *image.RULES, *host.RULES, *disk.RULES, *run.RULES),
)
RULES = tuple(sorted(_AS_WRITTEN, key=lambda rule: not rule.certain))


def diagnose(attempt: Attempt) -> Diagnosis:
    """The first missing hop, why, and what to do; or that nothing is wrong, or only not done yet."""
    hop = attempt.missing
    if hop is None:
        return _up(attempt)
    rule, match = _fitting(attempt, hop)
    if rule.certain or attempt.over or waited(attempt) > patience(attempt, hop):
        return rule.tell(attempt, hop, match)
    return _under_way(attempt, hop)


def _fitting(attempt: Attempt, hop: Hop) -> tuple[Rule, Match]:
    for rule in RULES:
        if hop in rule.hops and (match := rule.asks(attempt)) is not None:
            return rule, match
    raise AssertionError(f"no rule fits when '{hop}' is missing; the last of each hop should")


def _up(attempt: Attempt) -> Diagnosis:
    reached = attempt.reached or Hop.POWER
    last = attempt.first.get(reached)
    failed = attempt.of("step.failed")
    if attempt.until is not None and failed:
        words = f"it booted, and the run failed afterwards: {failed[-1].message}"
    elif attempt.until is None:
        words = "nothing is wrong: nobody waits for it to boot"
    else:
        words = f"it is where it should be: {reached} was reached"
    return Diagnosis("up", Verdict.UP, reached, words, (evidence_of(last),) if last else ())


def _under_way(attempt: Attempt, hop: Hop) -> Diagnosis:
    seconds, usual = waited(attempt), attempt.usual.get(hop)
    known = f"usually {usual.median:.0f} s here" if usual else "how long it takes here is not known yet"
    told = f"it boots: {hop} is next, waited for {seconds:.0f} s so far ({known})"
    reached = attempt.first.get(attempt.reached) if attempt.reached else None
    late = f"it would be late after {patience(attempt, hop):.0f} s"
    evidence = (*([evidence_of(reached)] if reached else []), Evidence(late))
    return Diagnosis("under-way", Verdict.UNDER_WAY, hop, told, evidence)
