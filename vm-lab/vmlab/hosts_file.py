"""The declaration of the rack's hosts, as the `undercloud` command wants it."""

from __future__ import annotations

from typing import Any

import yaml

from vmlab.topology import Machine, Topology

IMAGE = "debian-12"


def render(topology: Topology, public_key: str) -> str:
    """hosts.yaml: one network, and one host for each machine, matched by the address of its BMC."""
    provisioning = topology.networks.provisioning
    network = {"cidr": str(provisioning.cidr), "gateway": str(provisioning.seed), "dns": []}
    hosts = [_host(machine, public_key) for machine in topology.machines]
    return yaml.safe_dump({"networks": {"provisioning": network}, "hosts": hosts}, sort_keys=False, width=110)


def _host(machine: Machine, public_key: str) -> dict[str, Any]:
    return {
        "match": {"bmc": str(machine.bmc.address)},
        "name": machine.name,
        "macs": [machine.mac],
        "hostname": machine.name,
        "address": str(machine.address),
        "image": IMAGE,
        "root_device": {"serial": machine.install_on},
        "ssh_keys": [public_key],
        "role": machine.role,
    }
