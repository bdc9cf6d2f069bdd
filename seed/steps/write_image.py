"""Write the image to the chosen disk, and the config drive behind it."""

from __future__ import annotations

import base64
import gzip
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hwdrivers.inventory import Disk
from profiles.root_device import RootDevice
from pxe.images import ImageError, OSImage
from seed.agent import Command, agent_node
from seed.images import Images
from seed.instances import Instances
from seed.model import Instance
from seed.ramdisk import Ramdisk
from seed.step import Complete, Failed, Result, Walk
from seed.steps.agent_command import AgentCommand
from seed.steps.identity import NoSuchDisk, choose_disk, describe, mismatch


class WriteImage:
    """Destructive: the machine's identity and the disk's serial are checked and journaled first."""

    name = "write_image"
    timeout = timedelta(hours=1)
    abortable = False
    needs: str | None = "image write"

    def __init__(self, ramdisk: Ramdisk, agent: AgentCommand, images: Images, instances: Instances) -> None:
        self._ramdisk = ramdisk
        self._agent = agent
        self._images = images
        self._instances = instances

    def execute(self, walk: Walk) -> Result:
        node, agent = walk.node, self._ramdisk.agent(walk.node)
        if node.instance is None or agent is None or agent.report is None:
            return Failed("the agent or the instance is gone; ask for the deploy again")
        wrong = mismatch(node, agent.report)
        if wrong:
            return Failed(wrong)
        try:
            image = self._images.os_image(node.instance.image)
            disk = choose_disk(agent.report, _hints(node.instance), image.virtual_size)
        except (NoSuchDisk, ImageError) as error:
            return Failed(str(error))
        if "announced" not in walk.memo:
            self._announce(walk, image, disk)
        written = replace(node.instance, disk_serial=disk.serial)
        return self._agent.run(
            walk,
            "standby.prepare_image",
            lambda: self._order(walk, image),
            lambda command: _written(command, image, disk, written),
        )

    def _announce(self, walk: Walk, image: OSImage, disk: Disk) -> None:
        """Tell the agent which disk, by all its names in this boot, and journal what is to be lost."""
        hint = {"name": f"s== {disk.name}"} | ({"serial": f"s== {disk.serial}"} if disk.serial else {})
        client = self._ramdisk.client(walk.node)
        client.do("deploy.get_deploy_steps", {"node": agent_node(walk.node, hint), "ports": []})
        walk.note("destructive", f"writing '{image.name}' over {describe(disk)}", serial=disk.serial)
        walk.remember(announced=True)

    def _order(self, walk: Walk, image: OSImage) -> dict[str, Any]:
        drive = gzip.compress(self._instances.config_drive(walk.node), mtime=0)
        info = {
            # The agent writes no image whose id it wrote before, be it to another disk: one id for each run.
            "id": f"{image.sha512[:32]}-{walk.run.id}",
            "urls": [self._images.url(image)],
            "disk_format": image.disk_format,
            "container_format": "bare",
            "os_hash_algo": "sha512",
            "os_hash_value": image.sha512,
            "image_type": "whole-disk",
            "node_uuid": walk.node.uuid,
            "stream_raw_images": image.disk_format == "raw",
        }
        return {"image_info": info, "configdrive": base64.b64encode(drive).decode()}


def _written(command: Command, image: OSImage, disk: Disk, instance: Instance) -> Result:
    """The agent names the device that it wrote; another than the journaled one must not pass unnoticed."""
    said = str(command.result)
    if disk.name not in said:
        return Failed(f"the agent was told {describe(disk)} and answers: {said[:200]}")
    return Complete(f"'{image.name}' is on {describe(disk)}", {"instance": instance})


def _hints(instance: Instance) -> RootDevice | None:
    return RootDevice.model_validate(instance.root_device) if instance.root_device else None
