"""The identify light: LocationIndicatorActive, or IndicatorLED where it is older (DSP0268)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from sushy import exceptions as seen

from hwdrivers.interfaces import Ability
from hwdrivers.redfish.documents import Document, texts
from hwdrivers.redfish.system import System

_NEW, _OLD = "LocationIndicatorActive", "IndicatorLED"
_OLD_STATES = {"Lit": True, "Blinking": True, "Off": False}


class RedfishLED:
    def __init__(self, system: System) -> None:
        self._system = system

    def lit(self) -> bool | None:
        with self._system.talking("read the identify led"):
            _, document, name = self._place()
            value = document[name]
            if name == _NEW:
                return value if isinstance(value, bool) else None
            return _OLD_STATES.get(value) if isinstance(value, str) else None

    def set(self, on: bool) -> None:
        with self._system.talking("set the identify led"):
            path, document, name = self._place()
            if name == _NEW:
                self._system.patch(path, {_NEW: on})
            else:
                self._set_old(path, document, on)

    def ability(self) -> Ability:
        with self._system.talking("look for an identify led"):
            place = next(self._places(), None)
        return (
            Ability(True, place[2]) if place else Ability(False, "neither its system nor its chassis has one")
        )

    def _set_old(self, path: str, document: Document, on: bool) -> None:
        allowed = texts(document.get(f"{_OLD}@Redfish.AllowableValues"))
        words = [w for w in (("Lit", "Blinking") if on else ("Off",)) if not allowed or w in allowed]
        for word in words[:-1]:
            try:
                self._system.patch(path, {_OLD: word})
                return
            except seen.BadRequestError:  # some know only Blinking
                continue
        self._system.patch(path, {_OLD: words[-1] if words else "Off"})

    def _place(self) -> tuple[str, Document, str]:
        place = next(self._places(), None)
        if place is None:
            raise self._system.lacks("identify led")
        return place

    def _places(self) -> Iterator[tuple[str, Document, str]]:
        """Where a light is, the newer kind first at each; the system's before the chassis'."""
        system = (self._system.path, self._system.document())
        for path, document in itertools.chain([system], self._system.chassis()):
            for name in (_NEW, _OLD):
                if document.get(name) is not None:
                    yield path, document, name
