"""The verbs of the lifecycle: `undercloud node VERB NODE...`; what is lost is told and confirmed first."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import RootModel
from rich.console import Console

from bootstrap.cli import follow, node_loss, rescue_password
from bootstrap.cli.console import CommandError, Format, Output, client, err, out, show_json
from bootstrap.client import Client
from profiles.document import load
from seed.lifecycle import ironic_39
from seed.verbs import OF_RUNS, RESCUE_PASSWORD
from seed.wanted_steps import TAKE_STEPS, WantedStep

GRAPH = ironic_39()

# What each verb does, and what of a command follows the node's name in an example.
VERBS = {
    "manage": ("Log in to the BMC and take the node under management.", ""),
    "inspect": ("Boot the ramdisk and record CPU, memory, disks and NICs.", ""),
    "provide": ("Clean the disks and make the node available.", " node-2 --yes"),
    "deploy": ("Write the declared image to the chosen disk and boot it.", " --yes"),
    "rebuild": ("Deploy again, over what is on the disk.", " --yes"),
    "delete": ("Switch the host off, clean its disks, make the node available again.", " --yes"),
    "clean": (
        "Boot the ramdisk and take steps of its agent; the node stays manageable.",
        """ --step deploy.erase_devices_metadata --step 'raid.delete_configuration'""",
    ),
    "test": (
        "Burn the machine in: the configured steps (`burn_in`), or those that are given.",
        """ --step 'deploy.burnin_cpu:{"agent_burnin_cpu_timeout": 600}'""",
    ),
    "service": (
        "Boot a host's machine into the ramdisk, take steps of its agent, and boot the host again.",
        " --steps firmware.yaml",
    ),
    "rescue": ("Boot a host's machine into a rescue system: ssh rescue@ADDRESS.", " --password-file secret"),
    "unrescue": ("Switch the rescue system off and boot the host from its disk.", ""),
    "adopt": ("Take over a declared host that runs already; nothing is written.", ""),
    "decommission": (
        "Erase all disks whole, record what was erased, switch off, and never boot the machine again.",
        "",
    ),
    "hold": ("Stop what is under way after its present step, until `unhold`.", ""),
    "unhold": ("Let what is held go on where it stopped.", ""),
    "abort": ("Give up what is under way: at once where that is safe, else after the present step.", ""),
}

Nodes = Annotated[list[str] | None, typer.Argument(help="Names or UUIDs.", metavar="[NODE]...")]
Every = Annotated[bool, typer.Option("--all", help="Every node that is in a state for it.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before data is destroyed.")]
Step = Annotated[
    list[str] | None,
    typer.Option(
        "--step",
        metavar="INTERFACE.STEP[:JSON]",
        help="A step of the agent, or hold, wait, reboot, power_off, power_on; may be repeated.",
    ),
]
Steps = Annotated[
    Path | None, typer.Option("--steps", help="A YAML list of {interface, step, args, priority}.")
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="Its first line is the password; without it one is made, and shown on the terminal."),
]


class StepList(RootModel[tuple[WantedStep, ...]]):
    """The steps of a file."""


@dataclass(frozen=True)
class Asked:
    """One verb for some nodes."""

    verb: str
    nodes: list[str]
    every: bool
    wait: bool
    yes: bool
    output: Format
    steps: tuple[WantedStep, ...] = ()
    secrets: dict[str, str] = field(default_factory=dict)

    def body(self, nodes: list[dict[str, Any]]) -> dict[str, Any]:
        """As the seed takes it."""
        args = {"steps": [step.model_dump() for step in self.steps]} if self.steps else {}
        return {"nodes": [node["uuid"] for node in nodes], "args": args, "secrets": self.secrets}


def register(app: typer.Typer) -> None:
    for verb, (does, more) in VERBS.items():
        commands = {"rescue": _rescue} | dict.fromkeys(TAKE_STEPS, _with_steps)
        text = f"{does}\n\nExample: `undercloud node {verb} node-1{more}`"
        app.command(verb, help=text)(commands.get(verb, _plain)(verb))


def _plain(verb: str) -> Callable[..., None]:
    def act(
        ctx: typer.Context,
        nodes: Nodes = None,
        every: Every = False,
        wait: Wait = True,
        yes: Yes = False,
        output: Output = Format.TABLE,
    ) -> None:
        _take(ctx, Asked(verb, nodes or [], every, wait, yes, output))

    return act


def _with_steps(verb: str) -> Callable[..., None]:
    def act(
        ctx: typer.Context,
        nodes: Nodes = None,
        step: Step = None,
        steps: Steps = None,
        every: Every = False,
        wait: Wait = True,
        yes: Yes = False,
        output: Output = Format.TABLE,
    ) -> None:
        _take(ctx, Asked(verb, nodes or [], every, wait, yes, output, _steps(verb, step or [], steps)))

    return act


def _rescue(verb: str) -> Callable[..., None]:
    def act(
        ctx: typer.Context,
        nodes: Nodes = None,
        password_file: PasswordFile = None,
        every: Every = False,
        wait: Wait = True,
        yes: Yes = False,
        output: Output = Format.TABLE,
    ) -> None:
        if password_file is None and not sys.stderr.isatty():
            raise CommandError("a password that is made is shown on a terminal only: give --password-file")
        made = rescue_password.read(password_file) if password_file else rescue_password.generated()
        secrets = {RESCUE_PASSWORD: rescue_password.hashed(made).reveal()}
        asked = Asked(verb, nodes or [], every, wait, yes, output, secrets=secrets)

        def shown() -> None:
            if password_file is None:
                err.print(f"The password of user `rescue`, shown only now: {made.reveal()}", markup=False)

        _take(ctx, asked, shown)

    return act


def _steps(verb: str, given: list[str], path: Path | None) -> tuple[WantedStep, ...]:
    try:
        steps = (*(WantedStep.parse(text) for text in given), *(load(path, StepList).root if path else ()))
    except ValueError as error:
        raise CommandError(str(error)) from None
    if not steps and verb != "test":
        raise CommandError(f"name the steps: undercloud node {verb} node-1 --step deploy.burnin_cpu")
    return steps


def _take(ctx: typer.Context, asked: Asked, before_waiting: Callable[[], None] = lambda: None) -> None:
    api = client(ctx)
    to = err if asked.output is Format.JSON else out
    chosen = _choose(api, asked, to)
    if not asked.yes:
        node_loss.confirm(asked.verb, chosen, asked.steps or api.config.burn_in, to)
    since = follow.newest_event(api)
    started, refused = _start(api, asked, chosen, to) if chosen else ([], 0)
    if started:
        before_waiting()
    if not api.seed_runs and started:
        err.print("No seed runs, so nothing moves yet: `undercloud seed start`", style="yellow")
    follows = asked.wait and api.seed_runs and asked.verb != "hold"
    ended = follow.until_done(api, started, since, to) if follows else started
    if asked.output is Format.JSON:
        show_json(ended)
    wrong = ("failed",) if asked.verb == "abort" else ("failed", "aborted")
    if refused or any(run["state"] in wrong for run in ended):
        raise typer.Exit(1)


def _choose(api: Client, asked: Asked, to: Console) -> list[dict[str, Any]]:
    if asked.every == bool(asked.nodes):
        raise CommandError(f"name the nodes, or say --all: undercloud node {asked.verb} node-1")
    if not asked.every:
        named = [api.get(f"/nodes/{name}") for name in asked.nodes]
        return list({node["uuid"]: node for node in named}.values())
    nodes = api.get("/nodes", detail=True)
    fitting = [node for node in nodes if _fits(asked.verb, node)]
    for node in nodes:
        if node not in fitting:
            busy = f", run {node['run']['id']} ({node['run']['verb']}) is under way" if node["run"] else ""
            to.print(
                f"{node['name']}: nothing to {asked.verb} in state '{node['state']}'{busy}", markup=False
            )
    return fitting


def _fits(verb: str, node: dict[str, Any]) -> bool:
    if verb == "hold":  # asked of a run; in the graph, the conductor follows it
        return bool(node["run"]) and GRAPH.allows(node["state"], "hold")
    return verb in node["verbs"] and (verb in OF_RUNS or not node["run"])


def _start(
    api: Client, asked: Asked, nodes: list[dict[str, Any]], to: Console
) -> tuple[list[dict[str, Any]], int]:
    """One request for all nodes; the runs, and how many refused."""
    started, refused = [], 0
    rows = api.post(f"/verbs/{asked.verb}", asked.body(nodes))
    for node, row in zip(nodes, rows, strict=True):
        if row["error"]:
            refused += 1
            err.print(f"{node['name']}: {row['error']}", style="red", markup=False, soft_wrap=True)
        elif row["run"] is None:
            to.print(f"{node['name']}: {GRAPH.follow(node['state'], asked.verb).target}")
        else:
            started.append(row["run"])
            if asked.verb == "hold":
                to.print(f"{node['name']}: is held after {row['run']['step']}", markup=False)
    return started, refused
