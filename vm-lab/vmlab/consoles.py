"""Where the machines' serial ports are: one console server for the rack, at the seed's BMC address."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from vmlab import libvirtd, namespace
from vmlab.daemon import Daemon
from vmlab.rack import Rack
from vmlab.topology import Topology

NAME = "consoles"
FIRST_PORT = 7001
ANSWER_WITHIN = 2.0


def plug(machine: str) -> Path:
    """The Unix socket of a machine's serial port, as libvirtd and all that see its folders know it."""
    return libvirtd.FOLDERS["run"] / "consoles" / f"{machine}.sock"


def addresses(topology: Topology) -> dict[str, str]:
    """Where each machine's console is, by name, as `undercloud node set --console` takes it."""
    server = topology.networks.bmc.seed
    names = (machine.name for machine in topology.machines)
    return {name: f"tcp://{server}:{port}" for port, name in enumerate(names, FIRST_PORT)}


def daemon(rack: Rack, topology: Topology) -> Daemon:
    """The console server; a machine that finds it gone looks for it every second."""
    address = str(topology.networks.bmc.seed)
    plugs = [str(plug(machine.name)) for machine in topology.machines]
    last = FIRST_PORT + len(plugs) - 1
    return Daemon(
        name=NAME,
        argv=[sys.executable, "-m", "vmlab.console_server", address, str(FIRST_PORT), *plugs],
        env={},
        ready=lambda _: namespace.inside(rack.namespace, lambda: _answers(address, last)),
    )


def _answers(address: str, port: int) -> bool:
    with socket.create_connection((address, port), timeout=ANSWER_WITHIN):
        return True
