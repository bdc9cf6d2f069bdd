"""A topology cut or grown to N machines: more machines repeat the pattern of those that are written down."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from vmlab.errors import LabError
from vmlab.topology import Disk, Machine, Topology


def of_size(topology: Topology, nodes: int | None) -> Topology:
    """The first `nodes` machines, and repetitions of the pattern where the topology has fewer."""
    if nodes is None:
        return topology
    if nodes < 1:
        raise LabError(f"--nodes {nodes}: a rack has at least one machine")
    machines = list(topology.machines[:nodes])
    while len(machines) < nodes:
        machines.append(_another(topology, machines))
    return Topology(networks=topology.networks, machines=tuple(machines))


def _another(topology: Topology, machines: list[Machine]) -> Machine:
    number = len(machines) + 1
    pattern = topology.machines[len(machines) % len(topology.machines)]
    bmc = _free(topology.networks.bmc.cidr, {topology.networks.bmc.seed, *(m.bmc.address for m in machines)})
    taken = {topology.networks.provisioning.seed, *(m.address for m in machines)}
    after = max(m.address for m in machines)
    disks = tuple(_renamed(disk, number, index) for index, disk in enumerate(pattern.disks))
    install_on = disks[[disk.serial for disk in pattern.disks].index(pattern.install_on)].serial
    return pattern.model_copy(
        update={
            "name": f"node-{number}",
            "bmc": pattern.bmc.model_copy(update={"address": bmc}),
            "mac": f"52:54:00:4c:{number // 256:02x}:{number % 256:02x}",
            "address": _free(topology.networks.provisioning.cidr, taken, after),
            "serial": f"LAB{number:05d}",
            "disks": disks,
            "install_on": install_on,
            "role": "kubernetes",
        }
    )


def _renamed(disk: Disk, number: int, index: int) -> Disk:
    return disk.model_copy(update={"serial": f"lab{number:05d}-{chr(ord('a') + index)}"})


def _free(network: IPv4Network, taken: set[IPv4Address], after: IPv4Address | None = None) -> IPv4Address:
    for address in _hosts(network, after):
        if address not in taken:
            return address
    raise LabError(
        f"{network} has no address left for another machine",
        do="Widen it in the topology, or ask for fewer --nodes.",
    )


def _hosts(network: IPv4Network, after: IPv4Address | None) -> Iterator[IPv4Address]:
    return (address for address in network.hosts() if after is None or address > after)
