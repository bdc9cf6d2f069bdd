"""Which of the agent's steps a run takes, and in what order: automated ones, or those that were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seed.wanted_steps import RESERVED, WantedStep

Document = dict[str, Any]
"""A step as the agent lists it: step, interface, priority, abortable, reboot_requested, argsinfo.

One that was chosen has `args` for the step, and `settings` that the agent reads from the node.
"""

# Where priorities are equal, Ironic's order of interfaces decides (CLEANING_INTERFACE_PRIORITY).
_INTERFACES = ("vendor", "power", "management", "firmware", "deploy", "bios", "raid")

# Arguments by these names are for the node that the agent is told, where Ironic's operators write them.
_SETTINGS = ("agent_", "disk_erasure_concurrency", "target_raid_config")

# The most thorough first. A disk that refuses its own secure erase is overwritten.
_ERASING = ("deploy.erase_devices", "deploy.erase_devices_express", "deploy.erase_devices_metadata")
_THOROUGH = {"agent_continue_if_secure_erase_failed": True, "disk_erasure_concurrency": 4}


class NotOffered(ValueError):
    """The agent of this ramdisk cannot do what was asked; the message lists what it can."""


def name_of(step: Mapping[str, Any]) -> str:
    """Interface and name, as operators write a step."""
    return f"{step['interface']}.{step['step']}"


def automated(offered: Iterable[Document], priorities: Mapping[str, int]) -> list[Document]:
    """The steps that need no asking, the highest priority first; priority 0 is taken only when asked for."""
    ranked = [
        {**step, "priority": priorities.get(name_of(step), step.get("priority", 0))} for step in offered
    ]
    due = [step for step in ranked if step["priority"] > 0]
    return sorted(due, key=lambda step: (-step["priority"], _rank(step["interface"]), step["step"]))


def asked_for(wanted: Sequence[WantedStep], offered: Iterable[Document]) -> list[Document]:
    """The steps that were asked for, in their order; raises NotOffered before any of them is taken."""
    known = {name_of(step): step for step in offered}
    unknown = [step.name for step in wanted if step.step not in RESERVED and step.name not in known]
    if unknown:
        raise NotOffered(f"the agent does not offer {', '.join(unknown)}; it offers {_listed(known)}")
    return [_with_args(step, known.get(step.name, {})) for step in wanted]


def erasing(offered: Iterable[Document]) -> list[Document]:
    """The step that erases disks most thoroughly; raises NotOffered."""
    known = {name_of(step): step for step in offered}
    for name in _ERASING:
        if name in known:
            return [{**known[name], "settings": _THOROUGH}]
    raise NotOffered(f"the agent offers no step that erases disks; it offers {_listed(known)}")


def references(chosen: Iterable[Document], kind: str) -> tuple[tuple[str, ...], dict[str, Document]]:
    """The steps of a run that take them, and the documents by what those steps are referred to with."""
    steps: list[str] = []
    documents: dict[str, Document] = {}
    for step in chosen:
        key = step["step"] if step["step"] in RESERVED else name_of(step)
        key = key if key not in documents else f"{key}#{len(documents) + 1}"
        documents[key] = step
        steps += _references(step, key, kind)
    return tuple(steps), documents


def _references(step: Document, key: str, kind: str) -> tuple[str, ...]:
    if step["step"] == "wait":
        return (f"wait:{key}",)
    if step["step"] in RESERVED:
        return RESERVED[step["step"]]
    return (f"{kind}_step:{key}" if step.get("abortable") else f"critical_{kind}_step:{key}",)


def _with_args(wanted: WantedStep, offered: Document) -> Document:
    args = {name: value for name, value in wanted.args.items() if not name.startswith(_SETTINGS)}
    if wanted.step not in RESERVED:
        _check(wanted.name, args, offered.get("argsinfo") or {})
    settings = {name: value for name, value in wanted.args.items() if name not in args}
    return {**offered, "step": wanted.step, "interface": wanted.interface, "args": args, "settings": settings}


def _check(name: str, args: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    if unknown := args.keys() - known.keys():
        raise NotOffered(f"{name} does not take {', '.join(sorted(unknown))}; it takes {_listed(known)}")
    if missing := {arg for arg, info in known.items() if info.get("required")} - args.keys():
        raise NotOffered(f"{name} needs {', '.join(sorted(missing))}")


def _rank(interface: str) -> int:
    return _INTERFACES.index(interface) if interface in _INTERFACES else len(_INTERFACES)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
