"""Finding IPMI BMCs in a network where few addresses answer: the scanner beside nmap -sU -p 623.

Exits with 1 when the scanner is less than 10 times as fast as nmap with its defaults, misses a BMC or finds
one that is not there. Runs in a network namespace of its own, which needs root. See README.md.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

from contest import Timing, Verdict, alternate, report
from fleets import PASSWORD
from processes import end_like_interrupt
from vmlab.simulator import Settings, Simulation

from hwdrivers.scan import Finding, Plan, scan
from hwdrivers.targets import parse_targets

TIMES_FASTER = 10.0
NMAP = ["nmap", "-sU", "-p", "623", "-n", "-Pn", "--open", "-oG", "-"]
WAYS = {"nmap": [], "nmap -T5 --min-rate 20000": ["-T5", "--min-rate", "20000", "--max-retries", "1"]}


def main() -> None:
    options = _options()
    end_like_interrupt()
    if not options.inside:
        _go_inside()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with fleet(options.block, options.bmcs) as simulation:
        timings = alternate({"scanner": lambda: scanned(simulation, options.rate)}, options.rounds)
    if not options.skip_nmap:
        with fleet(options.nmap_block, options.nmap_bmcs) as simulation:
            nmaps = {name: lambda name=name: nmapped(simulation, name) for name in WAYS}
            timings |= alternate(nmaps, options.nmap_rounds)
    verdicts = [] if options.skip_nmap else list(judged(timings, options))
    title = f"{options.bmcs} BMCs in {options.block}; nmap: {options.nmap_bmcs} in {options.nmap_block}"
    sys.exit(not report(title, list(timings.values()), verdicts, options.output))


def fleet(block: str, bmcs: int) -> Simulation:
    """All other addresses of the block are silent. Port 623, since nmap speaks IPMI to no other."""
    port, no_redfish = 623, None
    settings = Settings(
        block=block, bmcs=bmcs, scattered=True, ipmi_port=port, redfish_port=no_redfish, password=PASSWORD
    )
    return Simulation(settings)


def scanned(simulation: Simulation, rate: float | None) -> None:
    block, live = simulation.settings.block, set(simulation.addresses)
    plan = Plan(ipmi_ports=(623,), redfish_ports=(), ssdp=False)
    found: list[Finding] = []
    scan(parse_targets([block]), replace(plan, rate=rate) if rate else plan, found=found.append)
    hosts = {finding.address.host for finding in found}
    if hosts != live:
        sys.exit(f"MISSED: {len(live - hosts)} of {len(live)} BMCs missed, {len(hosts - live)} are none")


def nmapped(simulation: Simulation, name: str) -> float:
    block, live = simulation.settings.block, set(simulation.addresses)
    before = os.times()
    done = subprocess.run([*NMAP, *WAYS[name], block], capture_output=True, text=True, check=True)
    # "open|filtered" is what nmap says of all that are silent: only "open" is a BMC.
    hosts = {match[1] for match in re.finditer(r"Host: (\S+) .*623/open/", done.stdout)}
    if hosts != live:
        wrong = f"{len(live - hosts)} of {len(live)} BMCs missed, {len(hosts - live)} are none"
        print(f"{name}: {wrong}", file=sys.stderr)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def judged(timings: dict[str, Timing], options: argparse.Namespace) -> Iterator[Verdict]:
    """nmap takes as long for each address of a large block as of a small one: it asks some at a time."""
    times = len(parse_targets([options.block])) / len(parse_targets([options.nmap_block]))
    ours = timings["scanner"].wall
    for name in WAYS:
        seconds = timings[name].wall * times
        bound = TIMES_FASTER if name == "nmap" else 0
        aim = f"at least {bound:g}" if bound else "for information"
        how = f"{times:g} times its {timings[name].wall:.2f} s" if times != 1 else "measured"
        words = f"{ours:.2f} s, {name} {seconds:.0f} s ({how}): {seconds / ours:.1f} times as fast ({aim})"
        yield Verdict(words, seconds >= bound * ours)


def _go_inside() -> None:
    for tool in ("unshare", "ip", "nmap"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is missing: apt-get install util-linux iproute2 nmap")
    if os.geteuid() != 0:
        sys.exit("a network namespace of its own needs root")
    os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv, "--inside"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--block", default="127.64.0.0/16")
    parser.add_argument("--bmcs", type=int, default=1000)
    parser.add_argument("--nmap-block", default="127.64.0.0/20", help="what nmap scans as well")
    parser.add_argument("--nmap-bmcs", type=int, default=64)
    parser.add_argument("--rate", type=float, help="packets per second; default: the scanner's own")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nmap-rounds", type=int, default=1)
    parser.add_argument("--skip-nmap", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
