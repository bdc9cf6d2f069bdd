"""One machine alone on a rack, from the deploy request to ssh: where wall time and CPU go, phase by phase.

The machine is emulated, so its CPU seconds (user and system of its QEMU process) are the figures to compare:
on an idle computer they are about the wall time, and they stay what they are on a busy one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

UNDERCLOUD = Path(sys.executable).with_name("undercloud")
NODE, ADDRESS = "node-1", "192.0.2.101"
TOPOLOGY = """\
networks:
  provisioning:
    {cidr: 192.0.2.0/24, seed: 192.0.2.1, ipv6: "2001:db8:1::1/64", interface: br-prov}
  bmc: {cidr: 198.51.100.0/28, seed: 198.51.100.1}
machines:
  - name: node-1
    firmware: FIRMWARE
    bmc: {protocol: ipmi, address: 198.51.100.2, username: admin, password: lab-only}
    mac: "52:54:00:4c:00:01"
    address: 192.0.2.101
    serial: LAB00001
    disks: [{size: 10GiB, serial: lab00001-a}]
    install_on: lab00001-a
"""
# The event that ends a phase, and what the phase was; those that do not come are left out.
PHASES = (
    ("power.on", "image checked, machine off and on again"),
    ("boot.script", "firmware, DHCP, first loader"),
    ("boot.initramfs", "kernel fetched, ramdisk being fetched"),
    ("agent.report", "ramdisk fetched, kernel, agent's start, inspection"),
    ("agent.heartbeat", "agent's API up, first heartbeat"),
    ("destructive", "steps listed, disk chosen"),
    ("image.written", "image to disk, config drive"),
    ("power.off", "boot entry, disks flushed, power off"),
    ("power.disk", "power on"),
    ("instance.home", "firmware, kernel, first boot until it calls home"),
)
SSH_ASKS = """
import socket, sys, time
while True:
    try:
        with socket.create_connection((sys.argv[1], 22), 1) as line:
            if line.recv(4) == b"SSH-":
                print(time.time(), flush=True)
                break
    except OSError:
        pass
    time.sleep(0.2)
"""


@dataclass(frozen=True)
class Phase:
    """Seconds of wall time and of the machine's CPU between two events."""

    what: str
    wall: float
    cpu: float


class Rack:
    """One rack of one machine."""

    def __init__(self, name: str, folder: Path, images: Path) -> None:
        self._name = name
        self.place = folder.resolve() / "racks" / name
        self._env = {**os.environ, "UNDERCLOUD_LAB_DIR": str(folder), "UNDERCLOUD_IMAGES": str(images)}

    def lab(self, *words: str, **more: Any) -> str:
        argv = [str(UNDERCLOUD), "lab", words[0], "--name", self._name, *words[1:]]
        done = subprocess.run(argv, env=self._env, capture_output=True, text=True, check=False, **more)
        if done.returncode:
            raise SystemExit(f"{' '.join(argv)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done.stdout

    def undercloud(self, *words: str) -> str:
        return self.lab("exec", "--", "undercloud", *words)

    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.undercloud("events", "--last", "10000", "-o", "json"))
        return found

    @contextmanager
    def ssh_watch(self) -> Iterator[subprocess.Popen[str]]:
        argv = [str(UNDERCLOUD), "lab", "exec", "--name", self._name, "--", sys.executable, "-c", SSH_ASKS]
        with subprocess.Popen([*argv, ADDRESS], env=self._env, stdout=subprocess.PIPE, text=True) as watch:
            try:
                yield watch
            finally:
                watch.terminate()


class Meter:
    """CPU seconds of the machine's emulator over time; each power-on makes a new process."""

    def __init__(self, place: Path) -> None:
        """`place`: where the rack keeps its files, which the emulator's command line names."""
        self._place = str(place).encode()
        self._read: list[tuple[float, float]] = []
        self._ended = 0.0  # CPU seconds of emulators that are gone
        self._now: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Meter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def at(self, moment: float) -> float:
        """What had been used by then."""
        return next((cpu for when, cpu in reversed(self._read) if when <= moment), 0.0)

    def _watch(self) -> None:
        while not self._stop.wait(0.25):
            found = dict(_emulators(self._place))
            self._ended += sum(cpu for pid, cpu in self._now.items() if pid not in found)
            self._now = found
            self._read.append((time.time(), self._ended + sum(found.values())))


def _emulators(place: bytes) -> Iterator[tuple[int, float]]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            argv = (process / "cmdline").read_bytes()
            if b"qemu-system" not in argv or place not in argv:
                continue
            ticks = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
        except OSError:
            continue
        yield int(process.name), sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def measure(rack: Rack, verb: str) -> list[Phase]:
    """Ask for a deploy and watch it until ssh answers and the host has called home."""
    last = rack.events()[-1]["id"]
    with Meter(rack.place) as meter, rack.ssh_watch() as ssh:
        time.sleep(1)
        asked = time.time()
        rack.undercloud("node", verb, NODE, "--yes")
        ended = time.time()
        assert ssh.stdout is not None
        answered = float(ssh.stdout.readline())
    rack.undercloud("node", "ssh", NODE, "--", "true")  # it is the host that was declared
    since = [event for event in rack.events() if event["id"] > last and event["node"]]
    return list(_phases(meter, asked, since, answered, ended))


def _phases(
    meter: Meter, asked: float, events: Sequence[dict[str, Any]], answered: float, ended: float
) -> Iterator[Phase]:
    first: dict[str, float] = {}
    for event in events:
        first.setdefault(event["kind"], datetime.fromisoformat(event["at"]).timestamp())
    begun = asked
    for kind, what in PHASES:
        if kind in first and first[kind] >= begun:
            yield Phase(what, first[kind] - begun, meter.at(first[kind]) - meter.at(begun))
            begun = first[kind]
    yield Phase("request → ssh answers", answered - asked, meter.at(answered) - meter.at(asked))
    yield Phase("request → called home", ended - asked, meter.at(ended) - meter.at(asked))


def show(title: str, phases: Sequence[Phase]) -> None:
    print(f"\n{title}\n\n| phase | wall s | CPU s |\n| --- | --- | --- |")
    for phase in phases:
        print(f"| {phase.what} | {phase.wall:.1f} | {phase.cpu:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=Path("/var/cache/undercloud/images"))
    parser.add_argument("--folder", type=Path, default=Path(".lab"), help="where the rack lives meanwhile")
    parser.add_argument("--firmware", choices=("bios", "uefi"), default="bios")
    parser.add_argument("--name", default="one-machine")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    options.folder = options.folder.resolve()
    topology = options.folder / "one-machine.yaml"
    topology.write_text(TOPOLOGY.replace("FIRMWARE", options.firmware))
    rack = Rack(options.name, options.folder, options.images)
    try:
        tables = _measured(rack, topology)
    finally:
        rack.lab("down")
    if options.output == "json":
        print(json.dumps({title: [asdict(phase) for phase in phases] for title, phases in tables.items()}))
        return
    print(f"load {os.getloadavg()[0]:.1f}")
    for title, phases in tables.items():
        show(title, phases)


def _measured(rack: Rack, topology: Path) -> dict[str, list[Phase]]:
    rack.lab("run", "--topology", str(topology), timeout=3000)  # inspected, cleaned, deployed once
    rack.undercloud("node", "delete", NODE, "--yes")  # which leaves it cleaned and in the ramdisk
    warm = measure(rack, "deploy")
    rack.undercloud("node", "delete", NODE, "--yes")
    rack.undercloud("node", "power", "off", NODE, "--yes")
    return {"in the ramdisk already (fast track)": warm, "powered off": measure(rack, "deploy")}


if __name__ == "__main__":
    main()
