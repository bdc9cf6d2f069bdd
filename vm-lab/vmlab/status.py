"""What a rack looks like now."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from vmlab import bringup, daemon, libvirtd, machines, namespace
from vmlab.errors import LabError
from vmlab.rack import Rack
from vmlab.sizes import render


def facts(rack: Rack) -> dict[str, Any]:
    """The rack as plain data."""
    topology = rack.topology()
    names = [libvirtd.NAME, *(found.name for found in bringup.bmc_daemons(rack, topology))]
    power = _power(rack)
    return {
        "name": rack.name,
        "path": str(rack.path),
        "namespace": rack.namespace if namespace.exists(rack.namespace) else None,
        "interface": topology.networks.provisioning.interface,
        "provisioning": str(topology.networks.provisioning.cidr),
        "seed": str(topology.networks.provisioning.seed),
        "bmc_range": str(topology.networks.bmc.cidr),
        "daemons": {name: bool(daemon.running(rack, name)) for name in names},
        "machines": [
            {
                "name": machine.name,
                "firmware": machine.firmware,
                "power": power.get(machine.name, "unknown"),
                "bmc": f"{machine.bmc.protocol}://{machine.bmc.address}",
                "mac": machine.mac,
                "serial": machine.serial,
                "address": str(machine.address),
                "disks": [{"serial": disk.serial, "size": render(disk.size)} for disk in machine.disks],
                "console": str(rack.console(machine.name)),
            }
            for machine in topology.machines
        ],
    }


def _power(rack: Rack) -> dict[str, str]:
    try:
        return {name: "on" if runs else "off" for name, runs in machines.power_states(rack).items()}
    except LabError:
        return {}


def table(rack: Rack) -> Table:
    """The rack for people."""
    seen = facts(rack)
    title = f"rack {rack.name}: {seen['namespace'] or 'no network'}, {seen['interface']} {seen['seed']}"
    grid = Table(title=title, title_justify="left", caption=_broken(seen), caption_justify="left")
    for column in ("machine", "firmware", "power", "BMC", "MAC", "serial", "disks"):
        grid.add_column(column)
    for machine in seen["machines"]:
        disks = ", ".join(f"{disk['serial']} {disk['size']}" for disk in machine["disks"])
        plain = [machine[key] for key in ("name", "firmware", "power", "bmc", "mac", "serial")]
        grid.add_row(*plain, disks)
    return grid


def _broken(seen: dict[str, Any]) -> str | None:
    dead = [name for name, runs in seen["daemons"].items() if not runs]
    if not dead:
        return None
    return f"does not run: {', '.join(dead)}; repair it: undercloud lab up --name {seen['name']}"
