"""Where the machines' serial ports are: one console server for the rack, at the seed's BMC address."""

from __future__ import annotations

import socket
import sys

from vmlab import namespace
from vmlab.daemon import Daemon
from vmlab.rack import Rack
from vmlab.topology import Topology

NAME = "consoles"
FIRST_PORT = 7001
FIRST_PLUG = 17001  # on the loopback interface
ANSWER_WITHIN = 2.0


def plugs(topology: Topology) -> dict[str, int]:
    """The TCP port at which each machine plugs itself in, by name.

    No Unix socket: QEMU writes byte by byte, of which such a one takes some 280 that are not read yet. QEMU
    7.2 tries again then, and its log file has those bytes twice.
    """
    names = (machine.name for machine in topology.machines)
    return {name: port for port, name in enumerate(names, FIRST_PLUG)}


def addresses(topology: Topology) -> dict[str, str]:
    """Where each machine's console is, by name, as `undercloud node set --console` takes it."""
    server = topology.networks.bmc.seed
    names = (machine.name for machine in topology.machines)
    return {name: f"tcp://{server}:{port}" for port, name in enumerate(names, FIRST_PORT)}


def daemon(rack: Rack, topology: Topology) -> Daemon:
    """The console server; a machine that finds it gone looks for it every second."""
    address = str(topology.networks.bmc.seed)
    count = len(topology.machines)
    ports = (address, str(FIRST_PORT), str(FIRST_PLUG))
    return Daemon(
        name=NAME,
        argv=[sys.executable, "-m", "vmlab.console_server", *ports, str(count)],
        env={},
        ready=lambda _: namespace.inside(rack.namespace, lambda: _answers(address, FIRST_PORT + count - 1)),
    )


def _answers(address: str, port: int) -> bool:
    with socket.create_connection((address, port), timeout=ANSWER_WITHIN):
        return True
