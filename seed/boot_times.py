"""How long the hops of a boot take here: learnt from the newest boots of all nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from statistics import quantiles

from pxe.diagnosis.attempt import ORDER, Usual
from pxe.milestones import KINDS, Hop
from seed.store import Transaction

LOOKED_AT = 20_000  # newest events: a day of a busy fleet; it costs the same after years
FOR_EACH = 200  # boots of one hop: the rack as it is now
FEWEST = 3  # boots that make anything usual

PROOFS = {kind: hop for kind, hop in KINDS.items() if hop is not None}
_BEGINS = (Hop.POWER, Hop.REBOOT)


def usual(tx: Transaction) -> Mapping[Hop, Usual]:
    """Seconds from the hop before, for each hop that enough boots got to."""
    return {
        hop: spread(seconds[-FOR_EACH:])
        for hop, seconds in durations(tx.events.moments(PROOFS, LOOKED_AT)).items()
        if len(seconds) >= FEWEST
    }


def durations(moments: Iterable[tuple[str, str, datetime]]) -> dict[Hop, list[float]]:
    """From (node, kind, at) to the seconds that each hop took, boot by boot."""
    last: dict[str, tuple[Hop, datetime]] = {}
    taken: dict[Hop, list[float]] = defaultdict(list)
    for node, kind, at in moments:
        hop, before = PROOFS[kind], last.get(node)
        if hop not in _BEGINS and (before is None or ORDER[hop] <= ORDER[before[0]]):
            continue  # asked once more, or a boot of which the beginning is not known
        if before and hop not in _BEGINS:
            taken[hop].append((at - before[1]).total_seconds())
        last[node] = hop, at
    return taken


def spread(seconds: list[float]) -> Usual:
    """Median and 90th percentile."""
    tenths = quantiles(seconds, n=10, method="inclusive") if len(seconds) > 1 else seconds * 9
    return Usual(median=tenths[4], p90=tenths[8], boots=len(seconds))
