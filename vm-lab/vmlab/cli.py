"""`undercloud lab`: a rack of virtual machines to try everything on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vmlab import bringup, console_log, fleet, machines, namespace, status, teardown, topology
from vmlab.claim import claimed
from vmlab.errors import LabError
from vmlab.explained import explained
from vmlab.main_job import MainJob
from vmlab.rack import REPOSITORY, Rack, locate
from vmlab.simulator import cli as simulator
from vmlab.simulator.record import record

THREE = REPOSITORY / "vm-lab" / "topologies" / "three.yaml"

app = typer.Typer(help="A virtual rack: machines with BMCs on a network of their own.", no_args_is_help=True)
out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)

TopologyFile = Annotated[Path, typer.Option("--topology", help="A YAML file; vm-lab/topologies has some.")]
Nodes = Annotated[int | None, typer.Option("--nodes", help="How many machines.")]
Name = Annotated[str, typer.Option("--name", help="Which rack; several can stand side by side.")]
Node = Annotated[str, typer.Argument(help="The machine's name in the topology.")]


class Switch(StrEnum):
    on = "on"
    off = "off"


class Format(StrEnum):
    table = "table"
    json = "json"


@contextmanager
def resumable(name: str, command: str) -> Iterator[None]:
    """Ctrl-C leaves everything as it is, and says how to go on and how to clear away."""
    try:
        yield
    except KeyboardInterrupt:
        again, away = f"{command} --name {name}", f"vm-lab/run down --name {name}"
        err.print(f"\nInterrupted. Go on: {again}\nRemove the rack: {away}", markup=False)
        raise typer.Exit(130) from None


@app.command()
def up(name: Name = "lab", file: TopologyFile = THREE, nodes: Nodes = None) -> None:
    """Bring up a rack of powered-off machines, or repair one."""
    with explained(err), resumable(name, "undercloud lab up"), claimed(rack := locate(name)):
        bringup.up(rack, fleet.of_size(topology.load(file), nodes), lambda text: err.print(f"  {text}"))
        out.print(status.table(rack))


@app.command()
def run(name: Name = "lab", file: TopologyFile = THREE, nodes: Nodes = None) -> None:
    """Take a rack from powered-off machines to handed-off hosts; run it again to go on."""
    with explained(err), resumable(name, "vm-lab/run"), claimed(rack := locate(name)):
        MainJob(rack, fleet.of_size(topology.load(file), nodes), out).run()


@app.command("status")
def show(
    name: Name = "lab", output: Annotated[Format, typer.Option("-o", "--output")] = Format.table
) -> None:
    """Show what runs, and under which addresses."""
    with explained(err):
        rack = locate(name)
        out.print_json(data=status.facts(rack)) if output is Format.json else out.print(status.table(rack))


@app.command()
def console(
    node: Node, name: Name = "lab", follow: Annotated[bool, typer.Option("--follow", "-f")] = False
) -> None:
    """Show what a machine has written on its serial console."""
    with explained(err):
        rack = locate(name)
        console_log.copy(rack.console(rack.machine(node).name), sys.stdout.buffer, follow)


@app.command()
def power(node: Node, state: Switch, name: Name = "lab") -> None:
    """Switch a machine on or off behind everybody's back."""
    with explained(err):
        machines.set_power(locate(name), node, state is Switch.on)


@app.command("cut-power")
def cut_power(node: Node, name: Name = "lab") -> None:
    """Pull a machine's power cord."""
    with explained(err):
        machines.set_power(locate(name), node, on=False)


@app.command("exec", context_settings={"ignore_unknown_options": True})
def execute(command: list[str], name: Name = "lab") -> None:
    """Run a command inside the rack's network, where a seed node would stand.

    `undercloud` there means the rack's seed: `undercloud lab exec -- undercloud node list`
    """
    with explained(err):
        rack = locate(name)
        namespace.become(_present(rack), command, rack.environment())


@app.command()
def down(name: Name = "lab") -> None:
    """Remove a rack: machines, disks, BMCs, network, and every process inside."""
    with explained(err), claimed(rack := locate(name)):
        out.print(f"rack {name}: removed" if teardown.down(rack) else f"rack {name}: there is none")


app.command()(simulator.simulate)
app.command()(simulator.fault)
app.command()(simulator.simulated)
app.command()(record)


def _present(rack: Rack) -> str:
    rack.topology()
    if not namespace.exists(rack.namespace):
        raise LabError(
            f"rack {rack.name} has no network", do=f"Repair it: undercloud lab up --name {rack.name}"
        )
    return rack.namespace
