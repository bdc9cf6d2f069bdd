"""The main job: a rack from powered-off machines to handed-off hosts, as an operator would do it by hand.

Every phase looks at what is already so, and does the rest: running the job again goes on where it stopped.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from vmlab import bringup, consoles, first_login, site_file
from vmlab.command import run
from vmlab.errors import LabError
from vmlab.rack import Rack, write_secret
from vmlab.topology import Machine, Topology
from vmlab.undercloud_command import TOOLS, Undercloud

IMAGES = "/var/cache/undercloud/images"
# Longer than any run: the seed gives up on a machine before we give up on the seed.
SETTLES_WITHIN = 3600.0
LOOK_EVERY = 5.0
LONGEST_SOCKET = 107
CHANGES_PENDING = 2  # how `undercloud plan` ends when there is something to do


class MainJob:
    """The phases, in order, for one rack."""

    def __init__(self, rack: Rack, topology: Topology, console: Console) -> None:
        self._rack, self._topology, self._console = rack, topology, console
        self._undercloud = Undercloud(rack)

    def run(self) -> None:
        phases: list[tuple[str, Callable[[], None]]] = [
            ("rack", lambda: bringup.up(self._rack, self._topology, self._say)),
            ("init", self._init),
            ("discover", self._discover),
            ("plan", self._plan),
            ("apply", lambda: self._undercloud.run("apply", str(self._site), "--yes")),
            ("ssh", self._log_in),
            ("handoff", lambda: self._undercloud.run("handoff")),
            ("report", lambda: self._undercloud.run("report")),
        ]
        began = time.monotonic()
        for number, (name, phase) in enumerate(phases, 1):
            self._console.rule(f"[bold]{number}/{len(phases)} {name}", align="left")
            phase_began, cpu_began = time.monotonic(), cpu_seconds()
            phase()
            now, cpu = time.monotonic(), cpu_seconds() - cpu_began
            self._console.print(
                f"  {name}: {_span(now - phase_began)} ({cpu:.0f} CPU s), {_span(now - began)} in all",
                style="green",
            )
        self._what_next()

    def _say(self, text: str) -> None:
        self._console.print(f"  {text}", markup=False, soft_wrap=True)

    def _init(self) -> None:
        provisioning, path = self._topology.networks.provisioning, self._rack.path
        socket = path / "seed.sock"
        if len(str(socket)) > LONGEST_SOCKET:
            raise LabError(
                f"{socket} is too long for a socket", do="Set UNDERCLOUD_LAB_DIR to a shorter path."
            )
        self._undercloud.run(
            *("init", "--yes", "--interface", provisioning.interface, "--cidr", str(provisioning.cidr)),
            *("--images-dir", os.environ.get("UNDERCLOUD_IMAGES") or IMAGES),
            *("--state-dir", str(path / "seed"), "--socket", str(socket)),
        )

    @property
    def _site(self) -> Path:
        return self._rack.path / "site.yaml"

    def _plan(self) -> None:
        """Say what is going to be done, once nothing is under way any more."""
        self._settle()
        self._site.write_text(site_file.render(self._topology, self._public_key()))
        self._undercloud.run("plan", str(self._site), ends_with=(0, CHANGES_PENDING))

    def _public_key(self) -> str:
        key = self._rack.ssh_key
        if not key.exists():
            key.parent.mkdir(mode=0o700, exist_ok=True)
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "undercloud-lab", "-f", str(key))
        return key.with_suffix(".pub").read_text().strip()

    def _discover(self) -> None:
        """One scan of the BMC network where all BMCs share an account; else the addresses of each account."""
        accounts = _accounts(self._topology)
        for number, ((username, password), machines) in enumerate(accounts.items(), 1):
            name, file = f"lab-{number}", self._rack.path / f"bmc-password-{number}"
            write_secret(file, password)
            login = ("--username", username, "--password-file", str(file), "--insecure")
            self._undercloud.run("credentials", "add", name, *login)
            ranges = [str(machine.bmc.address) for machine in machines]
            whole = [str(self._topology.networks.bmc.cidr)]
            scan = whole if len(accounts) == 1 else ranges
            self._undercloud.run("discover", *scan, "--credentials", name, "--enroll")
        self._connect_consoles()

    def _connect_consoles(self) -> None:
        """No scan finds a console server: tell the seed which of its ports is whose."""
        ports = consoles.addresses(self._topology)
        at = {str(machine.bmc.address): ports[machine.name] for machine in self._topology.machines}
        for node in self._undercloud.ask("node", "list"):
            port = at.get(urlsplit(node["bmc"]).hostname)
            if port and node["console"] != port:
                self._undercloud.run("node", "set", node["name"], "--console", port)

    def _settle(self) -> None:
        """Wait for what an earlier, interrupted job began."""
        deadline, said = time.monotonic() + SETTLES_WITHIN, ""
        while under_way := self._under_way():
            if under_way != said:
                self._say(f"under way since before: {under_way}")
            if time.monotonic() > deadline:
                raise LabError(f"does not come to an end: {under_way}", do="Look at it: undercloud events")
            said = under_way
            time.sleep(LOOK_EVERY)

    def _under_way(self) -> str:
        rollouts = [row for row in self._undercloud.ask("rollout", "list") if row["state"] == "running"]
        nodes = [node for node in self._undercloud.ask("node", "list") if node["run"]]
        listed = [f"rollout {row['id']}" for row in rollouts]
        return ", ".join([*listed, *(f"{node['name']} ({node['state']})" for node in nodes)])

    def _log_in(self) -> None:
        for machine in self._topology.machines:
            self._say(first_login.greet(self._undercloud, machine))

    def _what_next(self) -> None:
        first, name = self._topology.machines[0].name, self._rack.name
        undercloud = os.path.relpath(TOOLS / "undercloud")
        inside = f"{undercloud} lab exec --name {name} -- undercloud"
        self._console.print("\nTry next:", style="bold")
        for line in (
            f"{inside} node show {first}",
            f"{inside} node ssh {first}",
            f"{undercloud} lab console {first} --name {name}",
            f"vm-lab/run down --name {name}",
        ):
            self._say(line)


def cpu_seconds() -> float:
    """What all processors of this machine have worked since its start (proc(5), stat: no idle, no iowait)."""
    ticks = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq = ticks[:7]
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _accounts(topology: Topology) -> dict[tuple[str, str], list[Machine]]:
    accounts: dict[tuple[str, str], list[Machine]] = defaultdict(list)
    for machine in topology.machines:
        accounts[machine.bmc.username, machine.bmc.password.get_secret_value()].append(machine)
    return accounts


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
