"""How long things take here: learnt from the runs of this fleet, verb by verb."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence

from seed.lifecycle import Transition
from seed.plans.plan import Options, Seconds

UNKNOWN = 3600.0  # seconds that a verb without history weighs: what nobody tried is not taken for quick
ALIKE = ("deploy", "rebuild")  # these walk the same steps, and know what the other knows


def learn(spans: Mapping[str, Sequence[float]]) -> dict[str, Seconds]:
    """From the seconds that finished runs took, by verb."""
    alike = [seconds for verb in ALIKE for seconds in spans.get(verb, ())]
    pooled = {**spans, **dict.fromkeys(ALIKE, alike)}
    return {verb: _spread(sorted(taken)) for verb, taken in pooled.items() if taken}


def along(verbs: Iterable[str], known: Mapping[str, Seconds]) -> Seconds | None:
    """What a way takes, as the sums of its verbs that start runs; None when one of them has no history.

    The sum of the tenth percentiles is a little lower than the tenth percentile of the sum: rather too wide
    a spread than too narrow a one.
    """
    hops = [known.get(verb) for verb in verbs]
    found = [hop for hop in hops if hop is not None]
    if len(found) < len(hops):
        return None
    return Seconds(
        median=sum(hop.median for hop in found),
        p10=sum(hop.p10 for hop in found),
        p90=sum(hop.p90 for hop in found),
        runs=min((hop.runs for hop in found), default=0),
    )


def until_done(spans: Sequence[float | None], options: Options) -> float | None:
    """Until the last of these is done: canaries first, so many at once, each as soon as there is room."""
    known = [span for span in spans if span is not None]
    if len(known) < len(spans):
        return None
    first, rest = known[: options.canary], known[options.canary :]
    return _makespan(first, options.max_parallel) + _makespan(rest, options.max_parallel)


def cost(known: Mapping[str, Seconds]) -> Callable[[Transition], float]:
    """What an edge of the graph weighs: a verb that moves a node at once weighs next to nothing."""

    def weigh(edge: Transition) -> float:
        if edge.return_to is None:
            return 1.0
        return known[edge.event].median if edge.event in known else UNKNOWN

    return weigh


def _spread(taken: list[float]) -> Seconds:
    median, low, high = (_quantile(taken, at) for at in (0.5, 0.1, 0.9))
    return Seconds(median=median, p10=low, p90=high, runs=len(taken))


def _quantile(ordered: list[float], at: float) -> float:
    """Between the two nearest, in proportion."""
    place = at * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _makespan(spans: Sequence[float], at_once: int) -> float:
    free = [0.0] * min(at_once, len(spans))
    for span in spans:
        heapq.heapreplace(free, free[0] + span)
    return max(free, default=0.0)
