"""What the BIOS attribute registry of a model says, and whether a value is one that it allows (DSP0268)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import replace

from hwdrivers.interfaces import Setting
from hwdrivers.redfish.documents import Document, dicts, inside, link, local, whole
from hwdrivers.redfish.system import System
from hwdrivers.told import told

Value = str | int | bool


def read_registry(system: System, bios: Document) -> dict[str, Document]:
    """The registry's entry of each attribute; {} where the service keeps its registry to itself."""
    name = told(bios.get("AttributeRegistry"))
    paths = system.documents.paths(link(system.service.root, "Registries")) if name else []
    for path in sorted(paths, key=lambda path: _last(path) != name):
        # The others are of messages, and large.
        if _last(path) == name or re.search("bios|attribute", _last(path), re.IGNORECASE):
            document = system.get(_file(system.get(path)) or path)
            # iDRAC's path lacks the version, sushy-tools' the model: the registry itself has the whole name.
            if name in (_last(path), inside(document, "Id")) or str(name).startswith(_last(path) + "."):
                return _entries(document)
    return {}


def _entries(document: Document | None) -> dict[str, Document]:
    entries = dicts(inside(document, "RegistryEntries", "Attributes"))
    return {name: entry for entry in entries if (name := told_name(entry.get("AttributeName")))}


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _file(registry: Document | None) -> str | None:
    """Where the registry itself lies, in English where it is there in several languages."""
    places = dicts(inside(registry, "Location"))
    places.sort(key=lambda place: not str(place.get("Language", "en")).startswith("en"))
    return next((uri for place in places if (uri := local(place.get("Uri")))), None)


def described(setting: Setting, entry: Document | None) -> Setting:
    """The setting with what the registry says of it."""
    if entry is None:
        return setting
    allowed = tuple(n for value in dicts(entry.get("Value")) if (n := told_name(value.get("ValueName"))))
    return replace(
        setting,
        kind=told(entry.get("Type")),
        allowed=allowed,
        lower=whole(entry.get("LowerBound")),
        upper=whole(entry.get("UpperBound")),
        read_only=entry.get("ReadOnly") is True,
        help=told(entry.get("HelpText")) or told(entry.get("DisplayName")),
    )


def told_name(value: object) -> str | None:
    """A ValueName as it is: "None" and "0" are values here."""
    return value if isinstance(value, str) and value else None


def checked(
    settings: Mapping[str, Setting], values: Mapping[str, Value]
) -> tuple[dict[str, Value], list[str]]:
    """The values as the BMC takes them, and what is wrong with any of them."""
    fit: dict[str, Value] = {}
    wrong = []
    for name, value in values.items():
        setting = settings.get(name)
        if setting is None:
            near = difflib.get_close_matches(name, settings, 1)
            wrong.append(f"there is no {name}" + (f" (did you mean {near[0]}?)" if near else ""))
            continue
        result, problem = _fit(setting, value)
        if problem is not None:
            wrong.append(f"{name} {problem}, not {value!r}")
        elif result is not None:
            fit[name] = result
    return fit, wrong


def _fit(setting: Setting, value: Value) -> tuple[Value | None, str | None]:
    """The value in the attribute's type, or what it should have been."""
    if setting.read_only:
        return None, "can only be read"
    if setting.kind == "Boolean" or (setting.kind is None and isinstance(setting.value, bool)):
        fit = {"true": True, "false": False}.get(str(value).lower())
        return fit, None if fit is not None else "is true or false"
    if setting.kind == "Integer" or (setting.kind is None and isinstance(setting.value, int)):
        return _fit_integer(setting, value)
    if setting.allowed and value not in setting.allowed:
        return None, f"is one of {', '.join(setting.allowed)}"
    return (value, None) if isinstance(value, str) else (None, "is a text")


def _fit_integer(setting: Setting, value: Value) -> tuple[Value | None, str | None]:
    try:
        fit = int(value) if not isinstance(value, bool) else None
    except ValueError:
        fit = None
    low, high = setting.lower, setting.upper
    inside_bounds = fit is not None and (low is None or fit >= low) and (high is None or fit <= high)
    bounds = f" from {low} to {high}" if low is not None and high is not None else ""
    return (fit, None) if inside_bounds else (None, f"is a whole number{bounds}")
