"""BIOS attributes, staged in the settings object and applied by the next boot (DSP0266 section 9.10)."""

from __future__ import annotations

from collections.abc import Mapping

from hwdrivers.errors import InvalidParameterValue
from hwdrivers.interfaces import Ability, Setting
from hwdrivers.redfish.bios_registry import Value, checked, described, read_registry
from hwdrivers.redfish.documents import Document, inside, link, section, texts
from hwdrivers.redfish.system import System

_RESET = "#Bios.ResetBios"
# Only for those who declare it: some need it, others refuse it (see quirks).
_APPLY_ON_RESET = {
    "@Redfish.SettingsApplyTime": {
        "@odata.type": "#Settings.v1_1_0.PreferredApplyTime",
        "ApplyTime": "OnReset",
    }
}


class RedfishBIOS:
    def __init__(self, system: System) -> None:
        self._system = system
        self._registry: tuple[object, dict[str, Document]] | None = None

    def settings(self) -> tuple[Setting, ...]:
        with self._system.talking("read the BIOS settings"):
            return tuple(self._read(self._bios()[1]).values())

    def apply(self, values: Mapping[str, str | int | bool]) -> None:
        with self._system.talking("change BIOS settings"):
            path, bios = self._bios()
            settings = self._read(bios)
            fit, wrong = checked(settings, values)
            if wrong:
                action, advice = "change BIOS settings", "nothing was changed"
                raise InvalidParameterValue.at(self._system.address, action, "; ".join(wrong), advice)
            different = {name: value for name, value in fit.items() if _will_be(settings[name]) != value}
            if different:
                self._stage(path, bios, different)

    def reset(self) -> None:
        with self._system.talking("reset the BIOS settings"):
            target = self._system.action(self._bios()[1], _RESET)
            if target is None:
                raise self._system.lacks("BIOS reset")
            self._system.post(target, {})

    def ability(self) -> Ability:
        with self._system.talking("look for BIOS settings"):
            _, bios = self._bios()
        number = len(section(bios, "Attributes"))
        return Ability(number > 0, f"{number} settings" if number else "it tells no attributes")

    def _bios(self) -> tuple[str, Document]:
        return self._system.part("bios", "Bios")

    def _read(self, bios: Document) -> dict[str, Setting]:
        registry = self._registered(bios)
        pending = section(self._system.get(_settings_object(bios)), "Attributes")
        settings = {}
        for name, value in sorted(section(bios, "Attributes").items()):
            staged = _value(pending.get(name))
            setting = Setting(name, _value(value), staged if staged != _value(value) else None)
            settings[name] = described(setting, registry.get(name))
        return settings

    def _registered(self, bios: Document) -> dict[str, Document]:
        """The registry belongs to the BIOS' version and has hundreds of KiB: it is read once for each."""
        name = bios.get("AttributeRegistry")
        if self._registry is None or self._registry[0] != name:
            self._registry = (name, read_registry(self._system, bios))
        return self._registry[1]

    def _stage(self, path: str, bios: Document, values: Mapping[str, Value]) -> None:
        times = texts(inside(bios, "@Redfish.Settings", "SupportedApplyTimes"))
        when = _APPLY_ON_RESET if "OnReset" in times else {}
        self._system.patch(_settings_object(bios) or path, {"Attributes": dict(values), **when})


def _settings_object(bios: Document) -> str | None:
    return link(bios, "@Redfish.Settings", "SettingsObject")


def _value(value: object) -> Value | None:
    """As it is; what is neither text nor a whole number nor a truth is told as text."""
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)


def _will_be(setting: Setting) -> Value | None:
    return setting.value if setting.pending is None else setting.pending
