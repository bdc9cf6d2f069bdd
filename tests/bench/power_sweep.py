"""Power of a fleet of simulated IPMI BMCs: the sweep beside freeipmi's ipmipower, and pyghmi in threads.

Exits with 1 when cold sessions take more than twice as long as ipmipower's, when 10,000 warm ones take 5 s of
CPU, or when the sweep tells anything wrong. See README.md.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from contest import Timing, Verdict, alternate, report
from fleets import PASSWORD, USER, checked, endpoints, ipmi_fleet
from processes import end_like_interrupt
from vmlab.simulator import Simulation

from hwdrivers.bmc import Endpoint
from hwdrivers.connect import connect
from hwdrivers.sweep import Sweep, Sweeps
from hwdrivers.thread_sweep import ThreadSweep

TIMES_SLOWER = 2.0  # than ipmipower, at most
WARM_CPU = 5.0  # seconds for 10,000


def main() -> None:
    options = _options()
    end_like_interrupt()
    good = True
    for bmcs in options.bmcs:
        good &= cold(bmcs, options)
    if options.warm:
        good &= warm(options.warm, options)
    sys.exit(not good)


def cold(bmcs: int, options: argparse.Namespace) -> bool:
    """Log in, ask, log out."""
    with ipmi_fleet(bmcs) as simulation, tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Callable[[], float | None]] = {"sweep": lambda: swept(simulation, Sweep())}
        if not options.skip_peers:
            config = Path(folder, "freeipmi.conf")
            config.touch(0o600)
            config.write_text(f"driver-type LAN_2_0\nusername {USER}\npassword {PASSWORD}\n")
            ways["freeipmi's ipmipower --stat"] = lambda: ipmipower(simulation, config)
        timings = alternate(ways, options.rounds)
        if not options.skip_peers and not options.skip_pyghmi:
            threads = {"pyghmi, 32 threads": lambda: swept(simulation, ThreadSweep(connect, 32))}
            timings |= alternate(threads, 1)
    verdicts = [] if options.skip_peers else [_judged(timings)]
    return report(f"{bmcs} BMCs, cold sessions", list(timings.values()), verdicts, options.output)


def warm(bmcs: int, options: argparse.Namespace) -> bool:
    """Ask those that we are logged in to."""
    sweep = Sweep()
    with ipmi_fleet(bmcs) as simulation:
        asked = all_of(simulation)
        first = alternate({"first sweep, logs in": lambda: checked(sweep, asked)}, 1)
        then = alternate({"warm sweep": lambda: checked(sweep, asked)}, options.rounds)
        sweep.close()
    timing = then["warm sweep"]
    good = timing.cpu < WARM_CPU * bmcs / 10_000
    words = f"{timing.cpu:.2f} s of CPU for {bmcs} warm BMCs (under {WARM_CPU * bmcs / 10_000:g} s)"
    timings = [*first.values(), *then.values()]
    return report(f"{bmcs} BMCs, warm sessions", timings, [Verdict(words, good)], options.output)


def swept(simulation: Simulation, sweep: Sweeps) -> None:
    checked(sweep, all_of(simulation))
    sweep.close()


def all_of(simulation: Simulation) -> list[Endpoint]:
    return endpoints([simulation.ipmi(each) for each in simulation.addresses])


def ipmipower(simulation: Simulation, config: Path) -> float:
    """The peer; its password is in the file, which only we can read."""
    if shutil.which("ipmipower") is None:
        sys.exit("ipmipower is missing: apt-get install freeipmi-tools, or --skip-peers")
    hosts = ",".join(f"{each}:{simulation.ipmi_port}" for each in simulation.addresses)
    before = _children()
    command = ["ipmipower", "--config-file", str(config), "-D", "LAN_2_0", "--stat", "-h", hosts]
    with tempfile.TemporaryFile("w+") as told:  # it loses what does not fit into a pipe at once
        subprocess.run(command, stdout=told, timeout=300, check=False)
        told.seek(0)
        answers = Counter(line.rstrip().partition(": ")[2] for line in told)
    if answers["off"] != len(simulation.addresses):
        print(f"ipmipower, of {len(simulation.addresses)}: {dict(answers)}", file=sys.stderr)
    return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _judged(timings: dict[str, Timing]) -> Verdict:
    ours, peer = timings["sweep"].wall, timings["freeipmi's ipmipower --stat"].wall
    return Verdict(
        f"{ours:.2f} s, ipmipower {peer:.2f} s: {ours / peer:.2f} times (at most {TIMES_SLOWER:g})",
        ours <= TIMES_SLOWER * peer,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bmcs", type=int, nargs="*", default=[1000, 5000], metavar="N", help="cold sweeps")
    parser.add_argument("--warm", type=int, default=10_000, metavar="N", help="0: none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--skip-peers", action="store_true")
    parser.add_argument("--skip-pyghmi", action="store_true")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
