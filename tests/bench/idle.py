"""What a seed costs when nothing happens: CPU of a seed with 10,000 active nodes, between power sweeps.

Exits with 1 at 5 % of a core. With `--sweep 60` the sweeps are counted too, and nothing is judged.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

from processes import CACHE, end_like_interrupt, file_system, run_folder
from seed_side import prepare, seed

SHARE = 0.05  # of one core


def main() -> None:
    options = _options()
    end_like_interrupt()
    with run_folder() as folder:
        prepare(folder, options.nodes, state="active")
        with seed(folder, options.nodes, "--sweep", str(options.sweep)) as side:
            time.sleep(options.settle)
            before = side.usage()
            time.sleep(options.seconds)
            after = side.usage()
    share = (after.cpu - before.cpu) / options.seconds
    result: dict[str, Any] = {
        "nodes": options.nodes,
        "seconds": options.seconds,
        "sweep": options.sweep,
        "share_of_a_core": round(share, 4),
        "rss_peak_mb": round(after.peak_rss, 1),
        "load": round(os.getloadavg()[0], 2),
        "store": file_system(CACHE),
    }
    print(json.dumps(result, indent=2) if options.output == "json" else _words(result))
    sys.exit(not options.sweep and share >= SHARE)


def _words(result: dict[str, Any]) -> str:
    share, sweep = result["share_of_a_core"], result["sweep"]
    judged = "good" if share < SHARE else "MISSED"
    words = f"{share:.2%} of a core with {result['nodes']} active nodes over {result['seconds']} s"
    if sweep:
        return f"measured: {words}, power sweeps every {sweep} s included; {result['rss_peak_mb']} MB"
    return f"{judged}: {words} (under {SHARE:.0%} between power sweeps); {result['rss_peak_mb']} MB"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--settle", type=float, default=5, help="seconds after the start that do not count")
    parser.add_argument("--sweep", type=float, default=0, metavar="SECONDS", help="0: never")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
