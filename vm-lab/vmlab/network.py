"""The rack's cables: a bridge for provisioning, and one that holds the address of every BMC."""

from __future__ import annotations

from pathlib import Path

from vmlab import namespace
from vmlab.command import run, run_json
from vmlab.topology import Topology

# Without an address of its own a bridge takes the lowest of its ports', and changes it when a machine goes.
BRIDGE_MAC = "02:00:00:00:00:01"
BMC_INTERFACE = "bmc"


def lay(name: str, topology: Topology) -> None:
    """Creates the namespace and whatever of the network is missing in it."""
    namespace.create(name)
    present = _interfaces(name)
    bridge = topology.networks.provisioning.interface
    steps = ["link set lo up"]
    if bridge not in present:
        steps.append(f"link add {bridge} address {BRIDGE_MAC} type bridge stp_state 0 mcast_snooping 0")
    if BMC_INTERFACE not in present:
        # A dummy interface would do, but not every kernel has one. Nobody answers for the other addresses.
        steps.append(f"link add {BMC_INTERFACE} type bridge stp_state 0")
    run("ip", "-n", name, "-batch", "-", give="\n".join([*steps, *_addresses(topology), ""]))


def _interfaces(name: str) -> set[str]:
    return {link["ifname"] for link in run_json("ip", "-n", name, "-json", "link", "show")}


def _addresses(topology: Topology) -> list[str]:
    provisioning, bmc = topology.networks.provisioning, topology.networks.bmc
    bridge = provisioning.interface
    bmcs = [bmc.seed, *(machine.bmc.address for machine in topology.machines)]
    steps = [f"addr replace {provisioning.seed}/{provisioning.cidr.prefixlen} dev {bridge}"]
    if Path("/proc/sys/net/ipv6").exists():
        steps.append(f"addr replace {provisioning.ipv6} dev {bridge} nodad")
    steps += [f"addr replace {address}/{bmc.cidr.prefixlen} dev {BMC_INTERFACE}" for address in bmcs]
    return [*steps, f"link set {BMC_INTERFACE} up", f"link set {bridge} up"]
