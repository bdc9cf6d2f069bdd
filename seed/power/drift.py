"""What a look at a node's power means: nothing new, drift, or its end. Nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hwdrivers.bmc import PowerState
from seed.model import PowerPolicy, Watched


@dataclass
class Finding:
    """What is to be saved of a look; `restore`: the power is to be put back as it was left."""

    facts: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    restore: bool = False

    def __bool__(self) -> bool:
        return bool(self.facts or self.events or self.restore)


def drifted(node: Watched, seen: str | None) -> bool:
    """Whether power is other than the last run, or an accepted drift, left it."""
    return None not in (seen, node.expected_power) and seen != node.expected_power


def judge(node: Watched, seen: PowerState) -> Finding:
    """What `seen` tells of a node; drift and its end are told once, by what was known of its power before."""
    finding = Finding()
    word = "on" if seen is PowerState.ON else "off"
    if node.fault is not None:
        finding.facts["fault"] = None
        finding.events.append(("fault.cleared", "its BMC answers again"))
    if node.power != seen.value:
        finding.facts["power"] = seen.value
    if node.expected_power is None:  # nobody knows how a run that failed left it: it is as it is
        finding.facts["expected_power"] = seen.value
    elif drifted(node, seen):
        _drift(node, finding, seen, word)
    elif drifted(node, node.power):
        finding.events.append(("power.settled", f"is powered {word} again, as the seed left it"))
    return finding


def _drift(node: Watched, finding: Finding, seen: PowerState, word: str) -> None:
    if not drifted(node, node.power):
        finding.events.append(("power.drift", f"was switched {word} outside of the seed"))
    if node.power_policy is PowerPolicy.ACCEPT:
        finding.facts["expected_power"] = seen.value
        finding.events.append(("power.accepted", f"powered {word} is what is expected from now on"))
    finding.restore = node.power_policy is PowerPolicy.RESTORE
