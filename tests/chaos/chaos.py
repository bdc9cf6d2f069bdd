"""SIGKILL of the seed: at each place of each verb, and at random moments while a fleet is driven.

Ends with 1 when anything is stuck, failed, was destroyed twice or got lost, and keeps the folder then.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "seed"))  # the machines and images of its tests

from chaos_boundaries import boundaries
from chaos_campaign import Outcome
from chaos_random import random_kills, two_seeds
from chaos_report import report, summary
from postgres_server import running

DATABASES = ("sqlite", "postgresql")  # one seed; two seeds


def main() -> None:
    options = _options()
    print(f"seed of all that is random: {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="undercloud-chaos-"))
    outcomes = []
    for campaign in _campaigns(options, folder):
        outcomes.append(campaign())
        print(summary(outcomes[-1]), flush=True)
    if options.report:
        options.report.write_text(report(outcomes, options.seed))
        print(f"wrote {options.report}")
    good = all(outcome.good for outcome in outcomes)
    if good:
        shutil.rmtree(folder)
    else:
        print(f"stores and logs: {folder}")
    sys.exit(not good)


def _campaigns(options: argparse.Namespace, folder: Path) -> Iterator[Callable[[], Outcome]]:
    fleet = {name: getattr(options, name) for name in ("kills", "machines", "life", "faults", "seed")}
    if options.trials != 0 and "sqlite" in options.database:
        yield lambda: boundaries(folder / "boundaries", trials=options.trials, seed=options.seed)
    if options.kills and "sqlite" in options.database:
        yield lambda: random_kills(folder / "random", **fleet)
    if options.kills and "postgresql" in options.database:
        with running() as server:
            database = server.url(server.create())
            yield lambda: two_seeds(folder / "two", database, **fleet | {"kills": options.kills // 4})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--database", choices=DATABASES, nargs="+", default=DATABASES)
    parser.add_argument("--trials", type=int, help="at random places only; 0: none")
    parser.add_argument(
        "--kills", type=int, default=1000, help="random ones, and a quarter more of two seeds"
    )
    parser.add_argument("--machines", type=int, default=60, help="of the random kills")
    parser.add_argument("--life", type=float, default=0.2, help="seconds of a seed that answers, on average")
    parser.add_argument(
        "--faults", type=float, default=0.005, help="share of calls to machines that time out"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of all that is random")
    parser.add_argument("--report", type=Path, help="write what was found as Markdown")
    return parser.parse_args()


if __name__ == "__main__":
    main()
