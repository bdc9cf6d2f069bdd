"""What a rack looks like now."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from vmlab import bringup, consoles, daemon, machines, namespace
from vmlab.errors import LabError
from vmlab.rack import Rack
from vmlab.sizes import render


def facts(rack: Rack) -> dict[str, Any]:
    """The rack as plain data."""
    topology = rack.topology()
    names, serial_ports = bringup.daemon_names(rack, topology), consoles.addresses(topology)
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
                "console": serial_ports[machine.name],
                "console_log": str(rack.console(machine.name)),
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
    title += f", serial ports from {seen['machines'][0]['console']} on"
    grid = Table(
        title=title, title_justify="left", title_style="", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False
    )
    grid.caption, grid.caption_justify = _broken(seen), "left"
    for column in ("machine", "firmware", "power", "BMC", "MAC"):
        grid.add_column(column, overflow="fold")
    for machine in seen["machines"]:
        grid.add_row(*(machine[key] for key in ("name", "firmware", "power", "bmc", "mac")))
    return grid


def _broken(seen: dict[str, Any]) -> str | None:
    dead = [name for name, runs in seen["daemons"].items() if not runs]
    if not dead:
        return None
    return f"does not run: {', '.join(dead)}; repair it: undercloud lab up --name {seen['name']}"
