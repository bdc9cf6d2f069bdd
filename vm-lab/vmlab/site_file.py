"""What should be true of the rack, as the `undercloud` command wants it."""

from __future__ import annotations

from typing import Any

import yaml

from vmlab.topology import Machine, Topology

IMAGE = "debian-12"


def render(topology: Topology, public_key: str) -> str:
    """site.yaml: one network, a profile that all hosts share, and one host for each machine, by its BMC."""
    provisioning = topology.networks.provisioning
    network = {"cidr": str(provisioning.cidr), "gateway": str(provisioning.seed), "dns": []}
    shared = {"image": IMAGE, "ssh_keys": [public_key], "state": "active"}
    site = {
        "networks": {"provisioning": network},
        "profiles": {"lab": shared},
        "hosts": [_host(machine) for machine in topology.machines],
    }
    return yaml.safe_dump(site, sort_keys=False, width=110)


def _host(machine: Machine) -> dict[str, Any]:
    return {
        "match": {"bmc": str(machine.bmc.address)},
        "profile": "lab",
        "name": machine.name,
        "macs": [machine.mac],
        "hostname": machine.name,
        "address": str(machine.address),
        "root_device": {"serial": machine.install_on},
        "role": machine.role,
    }
