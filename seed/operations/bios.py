"""Firmware settings, and the values that an operator writes for them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from hwdrivers.bmc import BMC
from hwdrivers.interfaces import Interface, Setting
from hwdrivers.offers import offered
from seed.operations.operation import Arguments, Operation

Value = str | int | bool

_SWITCH = {"true": True, "false": False}


class WrongSetting(ValueError):
    """A setting that is not there, or a value that it cannot have; the message says which."""


def _get(bmc: BMC, _: Arguments) -> dict[str, Any]:
    bios = offered(bmc.address, Interface.BIOS, bmc.bios)
    return {"settings": [_shown(setting) for setting in bios.settings()]}


def _shown(setting: Setting) -> dict[str, Any]:
    hidden = {"value": None, "pending": None} if setting.kind == "Password" else {}
    return {**asdict(setting), **hidden}


def differences(known: Iterable[Setting], wanted: Mapping[str, Value]) -> dict[str, Value]:
    """Those of the wanted values that are neither so nor staged, in the setting's own type.

    Raises WrongSetting.
    """
    by_name = {setting.name: setting for setting in known}
    found = {}
    for name, value in wanted.items():
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, 3) or sorted(by_name)[:5]
            raise WrongSetting(f"there is no BIOS setting '{name}'; there are: {', '.join(near)}, ...")
        setting = by_name[name]
        typed = _typed(setting, value)
        if typed != (setting.value if setting.pending is None else setting.pending):
            found[name] = typed
    return found


def _typed(setting: Setting, value: Value) -> Value:
    """A command line knows only texts, and YAML reads `on` and `1` as it likes."""
    if setting.kind == "Password":
        raise WrongSetting(f"'{setting.name}' is a password, which would stand in the journal: set it there")
    if setting.kind == "Boolean" or isinstance(setting.value, bool):
        typed = _SWITCH.get(str(value).lower())
        if typed is None:
            raise WrongSetting(f"'{setting.name}' is true or false, not '{value}'")
        return typed
    if setting.kind == "Integer" or isinstance(setting.value, int):
        try:
            return int(value)
        except ValueError:
            raise WrongSetting(f"'{setting.name}' is a number, not '{value}'") from None
    return str(value)


GET = Operation(_get)
