"""`undercloud node boot-device`: what firmware tries first."""

from __future__ import annotations

from typing import Annotated

import typer

from bootstrap.cli.console import CommandError, Format, Output
from bootstrap.cli.node_bmc import Question, look
from bootstrap.cli.node_choice import Choice, Every, Where
from hwdrivers.bmc import BootDevice, BootMode

COLUMNS = {"device": "BOOT DEVICE", "mode": "BOOT MODE"}
DEVICES = [device.value for device in BootDevice]


def register(app: typer.Typer) -> None:
    app.command("boot-device")(boot_device)


def boot_device(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[pxe|disk|cdrom] [NODE]...",
            help="The device, where it is to be changed (a node of such a name goes by its UUID), and nodes.",
        ),
    ] = None,
    mode: Annotated[BootMode | None, typer.Option(help="With a device: the firmware to boot with.")] = None,
    where: Where = None,
    every: Every = False,
    output: Output = Format.TABLE,
) -> None:
    """Show what firmware tries first, or change it until it is changed again.

    Examples: `undercloud node boot-device node-1`, `undercloud node boot-device pxe node-1 --mode uefi`
    """
    device, nodes = (words[0], words[1:]) if words and words[0] in DEVICES else (None, words or [])
    if device is None and mode is not None:
        raise CommandError("say a device with --mode: undercloud node boot-device pxe node-1 --mode uefi")
    nor = "" if device else f" (nor such a device: {', '.join(DEVICES)})"
    args = {"device": device, "mode": mode} if device else {}
    name = "boot-device-set" if device else "boot-device"
    question = Question(name, "setting boot devices" if device else "asking for boot devices", args)
    look(ctx, question, Choice(nodes, where, every, nor), output, lambda told: [told], COLUMNS)
