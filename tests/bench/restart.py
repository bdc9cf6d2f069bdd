"""SIGKILL of a seed with 1,000 runs in flight: how long until the next one has executed all of them again.

Exits with 1 when that takes more than 5 s, or when a run failed, was begun anew, or did not end well.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cycle import wait_for
from processes import CACHE, DidNotStart, end_like_interrupt, file_system, run_folder
from seed_side import Seed, prepare, seed

RESUMED_WITHIN = 5.0  # seconds from the start of the process


@dataclass(frozen=True)
class Execution:
    """One execution of a step; `at` is seconds of the wall clock."""

    process: int
    run: int
    at: float


def main() -> None:
    options = _options()
    end_like_interrupt()
    with run_folder() as folder:
        prepare(folder, options.runs, state="available")
        leave = folder / "leave"
        arguments = ("--hold", str(leave), "--poll", str(options.poll))
        with seed(folder, options.runs, *arguments) as first:
            first.ask("deploy")
            _all_executed(folder, first)
            before = _live(first)
            first.session.kill()
        began = time.time()
        with seed(folder, options.runs, *arguments) as second:
            _all_executed(folder, second)
            again = [each for each in _executions(folder) if each.process == second.session.process.pid]
            after = _live(second)
            leave.touch()
            wait_for(second, "active")
    firsts = {each.run: each.at for each in reversed(again)}.values()
    result: dict[str, Any] = {
        "runs": options.runs,
        "store": file_system(CACHE),
        "first_execution_s": round(min(firsts) - began, 2),
        "all_executed_s": round(max(firsts) - began, 2),
        "same_runs": before == after,
        "load": round(os.getloadavg()[0], 2),
    }
    good = result["all_executed_s"] <= RESUMED_WITHIN and before == after
    print(json.dumps(result, indent=2) if options.output == "json" else _words(result, good))
    sys.exit(not good)


def _words(result: dict[str, Any], good: bool) -> str:
    return (
        f"{'good' if good else 'MISSED'}: {result['runs']} runs in flight, SIGKILL; from the start of the "
        f"next seed {result['first_execution_s']} s to the first step, {result['all_executed_s']} s to the "
        f"last (at most {RESUMED_WITHIN:.0f}); the same runs: {result['same_runs']}; all ended well "
        f"(load {result['load']}, store on {result['store']})"
    )


def _all_executed(folder: Path, side: Seed, *, patience: float = 300) -> None:
    """Wait until this process has executed a step of every run."""
    deadline = time.monotonic() + patience
    wanted = side.session.process.pid
    while len({each.run for each in _executions(folder) if each.process == wanted}) < side.nodes:
        if side.session.process.poll() is not None or time.monotonic() > deadline:
            raise DidNotStart(f"not all runs are executed after {patience:.0f} s; see {folder}/seed.log")
        time.sleep(0.05)


def _live(side: Seed) -> dict[str, int]:
    """Which run is under way on each node."""
    return {node["name"]: node["run"]["id"] for node in side.list_nodes() if node["run"]}


def _executions(folder: Path) -> Iterator[Execution]:
    """What the no-op steps noted; a line that SIGKILL cut short is none."""
    for line in (folder / "executed").read_text().split("\n")[:-1]:
        process, run, at = line.split()
        yield Execution(int(process), int(run), float(at))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--poll", type=float, default=2.0, help="seconds after which a waiting step is due")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
