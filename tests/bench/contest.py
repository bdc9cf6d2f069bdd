"""Two or more ways to do the same, taken in turns: medians, ratios and bounds of a noisy machine."""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from processes import machine_cpu


@dataclass(frozen=True)
class Timing:
    """Medians, in seconds; `others`: CPU seconds of all other processes in a run, the simulator included."""

    what: str
    wall: float
    cpu: float
    others: float
    runs: tuple[float, ...]


@dataclass(frozen=True)
class Verdict:
    """Whether a bound holds, in words."""

    words: str
    good: bool


def alternate(ways: Mapping[str, Callable[[], float | None]], rounds: int) -> dict[str, Timing]:
    """Each way `rounds` times, in turns. A way returns its own CPU seconds; None: those of this process."""
    seen: dict[str, list[tuple[float, float, float]]] = {what: [] for what in ways}
    gc.collect()
    gc.freeze()  # as a seed does: else collecting through all that was imported hits a side by chance
    for _ in range(rounds):
        for what, way in ways.items():
            wall, own, machine = time.monotonic(), time.process_time(), machine_cpu()
            told = way()
            wall, spent = time.monotonic() - wall, time.process_time() - own
            cpu = spent if told is None else told
            seen[what].append((wall, cpu, max(machine_cpu() - machine - cpu, 0)))
    return {what: _timing(what, runs) for what, runs in seen.items()}


def _timing(what: str, runs: list[tuple[float, float, float]]) -> Timing:
    walls, cpus, others = zip(*runs, strict=True)
    return Timing(what, *map(statistics.median, (walls, cpus, others)), runs=walls)


def report(title: str, timings: list[Timing], verdicts: list[Verdict], output: str) -> bool:
    """Print; whether all bounds hold."""
    good = all(verdict.good for verdict in verdicts)
    if output == "json":
        told = {
            "title": title,
            "load": os.getloadavg(),
            "timings": [asdict(timing) for timing in timings],
            "verdicts": [asdict(verdict) for verdict in verdicts],
        }
        print(json.dumps(told, indent=2))
        return good
    print(f"{title} (load {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs)")
    print(f"  {'':44} {'wall s':>8} {'CPU s':>8} {'others':>8}  all runs")
    for timing in timings:
        runs = " ".join(f"{wall:.2f}" for wall in timing.runs)
        print(f"  {timing.what:44} {timing.wall:8.2f} {timing.cpu:8.2f} {timing.others:8.2f}  {runs}")
    for verdict in verdicts:
        print(f"{'good' if verdict.good else 'MISSED'}: {verdict.words}")
    sys.stdout.flush()
    return good
