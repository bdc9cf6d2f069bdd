"""The identify light (IPMI 2.0 section 28.5)."""

from __future__ import annotations

from hwdrivers.ipmi.kept_session import KeptSession

_CHASSIS = 0x00  # network function
_TOLD = 0x40  # Get Chassis Status, byte 4: the state of identify is told


class LED:
    """`hwdrivers.interfaces.LED` over IPMI."""

    def __init__(self, bmc: KeptSession) -> None:
        self._bmc = bmc

    def lit(self) -> bool | None:
        status = self._bmc.ask("read its identify light", _CHASSIS, 0x01)
        if len(status) < 3 or not status[2] & _TOLD:
            return None
        return bool(status[2] & 0x30)  # 0: off, 1: for some seconds, 2: for good

    def set(self, on: bool) -> None:
        """On means "force identify on"; an interval of 0 seconds switches it off."""
        data = (0, 1) if on else (0,)
        self._bmc.ask(f"switch its identify light {'on' if on else 'off'}", _CHASSIS, 0x04, data)
