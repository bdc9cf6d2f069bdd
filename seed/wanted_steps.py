"""The steps that operators ask for with `clean`, `service` and `test`, checked before anything is stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import Field, ValidationError, model_validator

from profiles.document import Strict
from seed.lifecycle import VerbRefused

TAKE_STEPS = ("clean", "service", "test")

# Ironic's reserved steps, and what each of them is here. A ramdisk is booted whenever power comes on.
RESERVED: dict[str, tuple[str, ...]] = {
    "hold": ("hold",),
    "wait": ("wait",),
    "power_on": ("boot_ramdisk",),
    "power_off": ("power_off",),
    "reboot": ("power_off", "boot_ramdisk"),
}
LONGEST_WAIT = 7 * 24 * 3600  # seconds

# No agent says which of its steps destroys data: whatever is not known to leave disks alone is taken to.
_HARMLESS = (
    "burnin_cpu",
    "burnin_gpu",
    "burnin_memory",
    "burnin_network",
    "clean_uefi_nvram",
    "erase_pstore",
)


class WantedStep(Strict):
    """One step; of a list, the one with the highest priority comes first, and equal ones as they stand."""

    step: str
    interface: str = "deploy"
    args: dict[str, Any] = Field(default_factory=dict)
    priority: int = 0

    @model_validator(mode="after")
    def _reserved(self) -> WantedStep:
        if self.step not in RESERVED:
            return self
        seconds = self.args.get("seconds") if self.step == "wait" else None
        if self.args.keys() - ({"seconds"} if self.step == "wait" else set()):
            raise ValueError(f"'{self.step}' does not take: {', '.join(self.args)}")
        if seconds is not None and not (isinstance(seconds, int) and 0 < seconds <= LONGEST_WAIT):
            raise ValueError(f"'wait' takes 1 to {LONGEST_WAIT} whole seconds, not {seconds!r}")
        return self

    @classmethod
    def parse(cls, text: str) -> WantedStep:
        """Of INTERFACE.STEP or INTERFACE.STEP:{"argument": value}; raises ValueError."""
        name, _, args = text.partition(":")
        interface, _, step = name.rpartition(".")
        try:
            return cls(step=step, interface=interface or "deploy", args=json.loads(args) if args else {})
        except ValidationError as error:
            raise ValueError(f"{text}: {_words(error)}") from None
        except json.JSONDecodeError as error:
            raise ValueError(f"{text}: what follows ':' is no JSON: {error.msg}") from None

    @property
    def name(self) -> str:
        """As lists and the journal write it."""
        return self.step if self.step in RESERVED else f"{self.interface}.{self.step}"

    @property
    def destroys(self) -> bool:
        """Whether data on disks may be lost."""
        return self.step not in RESERVED and destroys(self.step)


def destroys(step: str) -> bool:
    """Whether data on disks may be lost by a step of the agent, as far as its name tells."""
    return step not in _HARMLESS


def wanted_of(verb: str, args: Mapping[str, Any]) -> list[WantedStep]:
    """The steps in what a verb was given; [] where it takes its own. Raises VerbRefused."""
    given = args.get("steps", [])
    unknown = args.keys() - ({"steps"} if verb in TAKE_STEPS else set())
    if unknown:
        raise VerbRefused(f"'{verb}' does not take: {', '.join(sorted(unknown))}")
    if verb in TAKE_STEPS and verb != "test" and not given:
        raise VerbRefused(f"'{verb}' needs steps, such as deploy.erase_devices_metadata: none were given")
    try:
        wanted = in_order(WantedStep.model_validate(step) for step in given)
    except (ValidationError, TypeError) as error:
        words = _words(error) if isinstance(error, ValidationError) else "steps must be a list"
        raise VerbRefused(f"'{verb}': {words}") from None
    _refuse_without_power(verb, wanted)
    return wanted


def in_order(wanted: Iterable[WantedStep]) -> list[WantedStep]:
    """The highest priority first."""
    return sorted(wanted, key=lambda step: -step.priority)


def _refuse_without_power(verb: str, wanted: Sequence[WantedStep]) -> None:
    """The agent runs no step while the machine is off."""
    is_off = False
    for step in wanted:
        if step.step in RESERVED:
            is_off = step.step == "power_off" or (is_off and step.step not in ("power_on", "reboot"))
        elif is_off:
            raise VerbRefused(f"'{verb}': {step.name} follows power_off: the machine needs power_on before")


def _words(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'step'}: {item['msg'].removeprefix('Value error, ')}"
        for item in found
    )
