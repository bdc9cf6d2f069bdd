"""What is added to the error of a run that gave up: where the machine got to, why not further, what to do."""

from __future__ import annotations

from pxe.diagnosis.diagnosis import Diagnosis
from seed.boots import Boots
from seed.model import Run
from seed.step import Failed
from seed.store import Transaction

SEEN = ("boot.", "agent.", "power.")  # events that tell where a machine got to


class LastWords:
    """Looks into the journal, once, when a run fails."""

    def __init__(self, boots: Boots) -> None:
        self._boots = boots

    def of(self, tx: Transaction, run: Run, failed: Failed) -> str:
        """To be put behind the reason for which the run's present step gave up."""
        event = tx.events.latest(run.node, prefixes=SEEN)
        last = f"; last seen {event.at:%H:%M:%S} UTC: {event.message}" if event else ""
        found = self._boots.why(tx, run, failed)
        return f"{last}. {_words(tx.nodes.get(run.node).name, failed.reason, found)}" if found else last


def _words(node: str, reason: str, found: Diagnosis) -> str:
    likely = found.causes[0]
    summary = "" if reason in found.summary else f": {found.summary}"
    return (
        f"First missing is {found.hop}{summary}. Likeliest: {likely.what}; {likely.do}. "
        f"More: `undercloud why {node}`"
    )
