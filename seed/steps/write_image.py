"""Write the image to the chosen disk, and the config drive behind it."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hwdrivers.inventory import Disk
from profiles.hosts import Host
from pxe.images import ImageError, OSImage
from pxe.milestones import StepFault
from seed.agent import Command, agent_node
from seed.images import Images
from seed.instances import Instances
from seed.model import Instance
from seed.ramdisk import Ramdisk
from seed.relays import Relays
from seed.step import Complete, Failed, Result, Walk
from seed.steps.agent_command import AgentCommand
from seed.steps.deploy_order import after
from seed.steps.identity import NoSuchDisk, choose_disks, describe, mismatch

# Of the hardware manager in our ramdisk (pxe/build/agent/hardware.py). The agent's own `write_image` takes
# twice as long, tells nothing on its way, and sees a wrong checksum of a raw image when that is on the disk.
STEP = "write_image_stream"


class WriteImage:
    """Destructive: the machine's identity and the disk's serial are checked and journaled first."""

    name = "write_image"
    timeout = timedelta(hours=1)
    abortable = False
    needs: str | None = "image write"

    def __init__(
        self, ramdisk: Ramdisk, agent: AgentCommand, images: Images, instances: Instances, relays: Relays
    ) -> None:
        self._ramdisk = ramdisk
        self._agent = agent
        self._images = images
        self._instances = instances
        self._relays = relays

    def execute(self, walk: Walk) -> Result:
        node, agent = walk.node, self._ramdisk.agent(walk.node)
        if node.instance is None or agent is None or agent.report is None:
            return Failed("the agent or the instance is gone; ask for the deploy again")
        wrong = mismatch(node, agent.report)
        if wrong:
            return Failed(wrong, fault=StepFault.OTHER_MACHINE)
        try:
            image = self._images.os_image(node.instance.image)
            host = Host.model_validate(node.instance.host)
            disks = choose_disks(agent.report, host, image.virtual_size)
        except NoSuchDisk as error:
            return Failed(str(error), fault=StepFault.NO_DISK_FITS)
        except ImageError as error:
            return Failed(str(error))
        if "announced" not in walk.memo:
            for disk in disks:
                walk.note("destructive", f"writing '{image.name}' over {describe(disk)}", serial=disk.serial)
            walk.remember(announced=True)
        return self._agent.run(
            walk,
            "deploy.execute_deploy_step",
            lambda: self._order(walk, image, disks),
            lambda command: _written(walk, command, image, disks),
            title=f"writing '{image.name}'",
        )

    def _order(self, walk: Walk, image: OSImage, disks: tuple[Disk, ...]) -> dict[str, Any]:
        disk, *others = disks
        drive = gzip.compress(self._instances.config_drive(walk.node), mtime=0)
        args: dict[str, Any] = {
            "image": {
                "id": f"{image.sha512[:32]}-{walk.run.id}",
                "urls": [*self._relays.before(walk, image.sha512), self._images.url(image)],
                "sha512": image.sha512,
                "size": image.path.stat().st_size,
                "disk_format": image.disk_format,
                "compression": image.compression,
                "virtual_size": image.virtual_size,
            },
            "disk": _named(disk),
            "configdrive": base64.b64encode(drive).decode(),
        }
        if others:
            args["mirror"] = _named(others[0])
        # The agent finds the disk by these hints again when it installs a boot loader.
        hint = {"name": f"s== {disk.name}"} | ({"serial": f"s== {disk.serial}"} if disk.serial else {})
        step = {"step": STEP, "interface": "deploy", "args": args}
        return {"step": step, "node": agent_node(walk.node, hint), "ports": []}


def _written(walk: Walk, command: Command, image: OSImage, disks: tuple[Disk, ...]) -> Result:
    """The agent names the devices that it wrote; another than a journaled one must not pass unnoticed."""
    said = command.result.get("deploy_result") if isinstance(command.result, Mapping) else None
    where = " and ".join(map(describe, disks))
    match said:
        case {"disk": disk, "seconds": Mapping() as took, **rest} if _are(disks, disk, rest.get("mirror")):
            parts = ", ".join(f"{name} {seconds} s" for name, seconds in took.items())
        case _:
            return Failed(f"the agent was told {where} and answers: {str(command.result)[:200]}")
    words = f"'{image.name}' is on {where} ({parts})"
    walk.note("image.written", words, serial=disks[0].serial, image=image.name)
    return Complete(words, {"instance": _on(walk.node.instance, disks)}, then=after(walk, WriteImage.name))


def _are(disks: tuple[Disk, ...], *said: Any) -> bool:
    return [_named(disk) for disk in disks] == [disk for disk in said if disk is not None]


def _named(disk: Disk) -> dict[str, str | None]:
    return {"name": disk.name, "serial": disk.serial}


def _on(instance: Instance | None, disks: tuple[Disk, ...]) -> Instance | None:
    first, *mirror = (disk.serial for disk in disks)
    return replace(instance, disk_serial=first, mirror_serial=next(iter(mirror), None)) if instance else None
