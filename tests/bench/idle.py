"""What a seed costs when nothing happens: CPU of a seed with 10,000 active nodes, between power sweeps.

Exits with 1 at 5 % of a core.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from processes import CACHE, end_like_interrupt, file_system, run_folder
from seed_side import prepare, seed

SHARE = 0.05  # of one core


def main() -> None:
    options = _options()
    end_like_interrupt()
    with run_folder() as folder:
        prepare(folder, options.nodes, state="active")
        with seed(folder, options.nodes) as side:
            time.sleep(options.settle)
            before = side.usage()
            time.sleep(options.seconds)
            after = side.usage()
    share = (after.cpu - before.cpu) / options.seconds
    result = {
        "nodes": options.nodes,
        "seconds": options.seconds,
        "share_of_a_core": round(share, 4),
        "rss_peak_mb": round(after.peak_rss, 1),
        "load": round(os.getloadavg()[0], 2),
        "store": file_system(CACHE),
    }
    print(json.dumps(result, indent=2) if options.output == "json" else _words(result, share < SHARE))
    sys.exit(share >= SHARE)


def _words(result: dict[str, object], good: bool) -> str:
    return (
        f"{'good' if good else 'MISSED'}: {result['share_of_a_core']:.2%} of a core with {result['nodes']} "
        f"active nodes over {result['seconds']} s (under {SHARE:.0%}); {result['rss_peak_mb']} MB"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--settle", type=float, default=5, help="seconds after the start that do not count")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
