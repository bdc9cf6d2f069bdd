"""Put a machine's power back as the last run left it, because its node's power policy says so."""

from __future__ import annotations

from datetime import timedelta

from hwdrivers.bmc import PowerState
from hwdrivers.power import ensure_power
from seed.bmcs import BMCs
from seed.step import Complete, Result, Walk


class RestorePower:
    """Switching off is destructive for what runs there: the journal knows first."""

    name = "restore_power"
    timeout = timedelta(minutes=5)
    abortable = False
    needs: str | None = None

    def __init__(self, bmcs: BMCs) -> None:
        self._bmcs = bmcs

    def execute(self, walk: Walk) -> Result:
        if walk.node.expected_power is None:
            return Complete("nobody expects its power to be on or off")
        wanted = PowerState(walk.node.expected_power)
        facts = {"power": wanted.value, **self._mended(walk)}
        with self._bmcs.open(walk.node) as bmc:
            if bmc.power_state() is wanted:
                return Complete(f"{wanted} already", facts)
            kind = "power.on" if wanted is PowerState.ON else "destructive"
            walk.note(kind, f"switching {walk.node.name} back to '{wanted}'")
            ensure_power(bmc, wanted)
        return Complete(f"{wanted} again", facts)

    def _mended(self, walk: Walk) -> dict[str, None]:
        """What an earlier attempt complained of is over."""
        return {"last_error": None} if (walk.node.last_error or "").startswith(self.name) else {}
