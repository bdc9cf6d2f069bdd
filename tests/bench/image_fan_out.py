"""One image for many machines over limited links: 16 that pass it on, beside one that has the seed alone.

Each machine is a network namespace behind a link of its own, shaped in both directions, the seed's as slow.
Exits with 1 when all of them take more than twice as long as one. See README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from processes import end_like_interrupt

TIMES_LONGER = 2.0
SWITCH = f"ucfan{os.getpid()}"
SEED = "192.0.2.1"
SERVE = """
import asyncio, sys
from pathlib import Path
from aiohttp import web
from pxe.file_server import serve
app = web.Application()
app.router.add_get("/image", serve(lambda: Path(sys.argv[2])))
web.run_app(app, host=sys.argv[1], port=8081, access_log=None)
"""
FETCH = """
import sys
from pathlib import Path
from pxe.build.agent.download import Download
from pxe.build.agent.relay import Relay
into, size, sha512, *urls = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
with Relay(Path(into), int(size), sha512) as relay:
    download, block = Download(urls, int(size), relay=relay), memoryview(bytearray(1 << 16))
    while download.readinto(block):
        pass
    download.check(sha512)
    print("whole", flush=True)
    sys.stdin.read()
"""


def main() -> None:
    options = _options()
    end_like_interrupt()
    with TemporaryDirectory() as folder, network(options.machines, options.rate):
        image = Path(folder, "image")
        image.write_bytes(os.urandom(options.megabytes * 1_000_000))
        alone = fetch(image, Path(folder), 1)
        together = fetch(image, Path(folder), options.machines)
    times = together / alone
    told = {"alone_s": alone, "together_s": together, "machines": options.machines, "times": times}
    if options.output == "json":
        print(json.dumps(told, indent=2))
    else:
        one_by_one = options.machines * alone
        print(f"{options.megabytes} MB over links of {options.rate} (load {os.getloadavg()[0]:.1f})")
        print(f"  one machine {alone:.1f} s, {options.machines} machines {together:.1f} s: {times:.2f} times")
        print(f"  without passing it on the seed's link alone would take {one_by_one:.0f} s")
        print(f"{'good' if times <= TIMES_LONGER else 'MISSED'}: at most {TIMES_LONGER} times as long as one")
    sys.exit(times > TIMES_LONGER)


def fetch(image: Path, folder: Path, machines: int) -> float:
    """Seconds until all have the image, each from the one before it."""
    checksum, size = hashlib.sha512(image.read_bytes()).hexdigest(), str(image.stat().st_size)
    server = subprocess.Popen(_inside(0, SERVE, SEED, str(image)), stdout=subprocess.PIPE)
    running: list[subprocess.Popen[bytes]] = []
    try:
        server.stdout.readline()  # it listens
        for number in range(1, machines + 1):
            before = [f"http://{_address(number - 1)}:9998/image/{checksum}"] if number > 1 else []
            words = [str(folder / f"copy-{number}"), size, checksum, *before, f"http://{SEED}:8081/image"]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            running.append(subprocess.Popen(_inside(number, FETCH, *words), **pipes))
        for machine in running:  # all of them loaded, before the clock runs
            machine.stdout.readline()
        began = time.monotonic()
        for machine in running:
            machine.stdin.write(b"go\n")
            machine.stdin.flush()
        for machine in running:
            if machine.stdout.readline() != b"whole\n":
                sys.exit("MISSED: a machine did not get the image")
        return time.monotonic() - began
    finally:
        for process in (*running, server):
            process.kill()
            process.wait()


@contextmanager
def network(machines: int, rate: str) -> Iterator[None]:
    """A switch, and the seed (0) and the machines behind links of this rate."""
    shape = ("root", "tbf", "rate", rate, "burst", "128k", "latency", "50ms")
    try:
        _run("ip", "netns", "add", SWITCH)
        _run("ip", "-n", SWITCH, "link", "add", "name", "br0", "type", "bridge")
        _run("ip", "-n", SWITCH, "link", "set", "br0", "up")
        for number in range(machines + 1):
            name, port = _name(number), f"port{number}"
            _run("ip", "netns", "add", name)
            _run(
                *("ip", "-n", SWITCH, "link", "add", "name", port, "type", "veth"),
                *("peer", "eth0", "netns", name),
            )
            _run("ip", "-n", SWITCH, "link", "set", port, "master", "br0", "up")
            _run("ip", "-n", name, "address", "add", f"{_address(number)}/24", "dev", "eth0")
            _run("ip", "-n", name, "link", "set", "eth0", "up")
            _run("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "eth0", *shape)
            _run("ip", "netns", "exec", SWITCH, "tc", "qdisc", "add", "dev", port, *shape)
        yield
    finally:
        for number in range(machines + 1):
            with suppress(subprocess.CalledProcessError):
                _run("ip", "netns", "delete", _name(number))
        with suppress(subprocess.CalledProcessError):
            _run("ip", "netns", "delete", SWITCH)


def _name(number: int) -> str:
    return f"{SWITCH}-{number}"


def _address(number: int) -> str:
    return f"192.0.2.{number + 1}"


def _inside(number: int, program: str, *words: str) -> list[str]:
    return ["ip", "netns", "exec", _name(number), sys.executable, "-u", "-c", program, *words]


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=16)
    parser.add_argument("--megabytes", type=int, default=30)
    parser.add_argument("--rate", default="40mbit", help="of each link, as tc(8) writes it")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    return parser.parse_args()


if __name__ == "__main__":
    main()
