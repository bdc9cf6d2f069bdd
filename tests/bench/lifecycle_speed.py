"""How many nodes per second go through manage, clean, deploy, undeploy: ours beside a real Ironic.

Exits with 1 when ours is less than 10 times as fast, needs 150 MB, or is not linear within 20 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict

from cycle import Measured, Side, walk
from ironic_peer import Ironic, ironic
from processes import CACHE, end_like_interrupt, file_system, run_folder
from seed_side import Seed, prepare, seed

RATIO = 10.0
MEMORY = 150.0  # MB
LINEAR = 0.8


def main() -> None:
    options = _options()
    end_like_interrupt()
    ours, theirs = [], []
    print(TITLES, file=sys.stderr)
    for _ in range(options.rounds):
        for nodes in options.nodes:
            ours.append(_measure(_seed(nodes)))
        for nodes in [] if options.skip_ironic else options.ironic_nodes:
            theirs.append(_measure(_ironic(nodes)))
    findings = list(judge(ours, theirs))
    if options.output == "json":
        rows = [{**asdict(row), "rate": round(row.rate, 2)} for row in ours + theirs]
        print(json.dumps({"store": file_system(CACHE), "runs": rows, "findings": findings}, indent=2))
    else:
        print(f"stores on {file_system(CACHE)}")
        print("\n".join(findings))
    sys.exit(any(finding.startswith("MISSED") for finding in findings))


def judge(ours: list[Measured], theirs: list[Measured]) -> Iterator[str]:
    """The bounds, each as a line; our slowest run counts, and the peer's fastest."""
    largest = max(row.nodes for row in ours)
    smallest = min(row.nodes for row in ours)
    if theirs:
        ratio = min(row.rate for row in ours) / max(row.rate for row in theirs)
        yield _line(ratio >= RATIO, f"{ratio:.1f} times Ironic's nodes per second (at least {RATIO:.0f})")
        cpu = min(row.cpu_per_node for row in theirs) / max(row.cpu_per_node for row in ours)
        yield f"measured: Ironic takes {cpu:.0f} times as much CPU for a node"
    peak = max(row.peak_rss for row in ours)
    yield _line(peak < MEMORY, f"{peak:.0f} MB at {largest} nodes (under {MEMORY:.0f})")
    if largest > smallest:
        slow = min(row.rate for row in ours if row.nodes == largest)
        fast = max(row.rate for row in ours if row.nodes == smallest)
        words = f"the rate with {largest} nodes is {slow / fast:.0%} of that with {smallest}"
        yield _line(slow / fast >= LINEAR, f"{words} (at least {LINEAR:.0%})")


def _line(good: bool, words: str) -> str:
    return f"{'good' if good else 'MISSED'}: {words}"


def _measure(started: AbstractContextManager[Side]) -> Measured:
    with started as side:
        row = walk(side)
    print(_columns(row), file=sys.stderr, flush=True)
    return row


TITLES = "side            nodes seconds nodes/s CPU s  ms/node client s others s peak MB PSS MB  load  phases"


def _columns(row: Measured) -> str:
    return (
        f"{row.side:14} {row.nodes:6} {row.seconds:7.1f} {row.rate:7.1f} {row.cpu:5.1f} "
        f"{row.cpu_per_node:8.1f} {row.client_cpu:8.1f} {row.others_cpu:8.1f} {row.peak_rss:7.0f} "
        f"{row.pss:6.0f} {row.load:5.1f}  "
        + ", ".join(f"{verb} {seconds:.1f}" for verb, seconds in row.phases.items())
    )


@contextmanager
def _seed(nodes: int) -> Iterator[Seed]:
    with run_folder() as folder:
        prepare(folder, nodes)
        with seed(folder, nodes) as side:
            yield side


@contextmanager
def _ironic(nodes: int) -> Iterator[Ironic]:
    with run_folder() as folder, ironic(nodes, folder) as side:
        yield side


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[300, 3000], help="of ours, one run for each")
    parser.add_argument("--ironic-nodes", type=int, nargs="+", default=[300])
    parser.add_argument("--skip-ironic", action="store_true")
    parser.add_argument(
        "--rounds", type=int, default=1, help="both sides, one after the other, so many times"
    )
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
