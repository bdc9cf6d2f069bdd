"""The hardware manager: a deploy step that the official agent finds beside its own.

Written for ironic-python-agent 13.0.0 (`hardware.py`, `extensions/deploy.py`, `extensions/base.py`).
"""

from __future__ import annotations

import base64
import gzip
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ironic_python_agent import disk_utils, errors, hardware, partition_utils
from ironic_python_agent.extensions import base as extensions

from .order import ImageOrder, NotWritten
from .partitions import has_gpt, stretch, takes_iso
from .writing import write

STEP = "write_image_stream"
_EVERY = 1.0  # seconds between two progress reports


class ImageManager:
    """Not a subclass of the agent's HardwareManager: what it does not have, the generic manager does."""

    def evaluate_hardware_support(self) -> int:
        return int(hardware.HardwareSupport.SERVICE_PROVIDER)

    def initialize(self) -> None:
        """Nothing has to be prepared."""

    def get_version(self) -> dict[str, str]:
        return {"name": "undercloud", "version": "1"}

    def get_deploy_steps(self, node: Mapping[str, Any], ports: Sequence[Any]) -> list[dict[str, Any]]:
        arguments = {
            "image": "urls, sha512, size, disk_format, virtual_size, compression",
            "disk": "name and serial",
            "configdrive": "an ISO 9660 image, gzip, base64",
        }
        argsinfo = {
            name: {"description": text, "required": name != "configdrive"} for name, text in arguments.items()
        }
        step = {"step": STEP, "interface": "deploy", "priority": 0, "argsinfo": argsinfo}
        return [{**step, "reboot_requested": False, "abortable": False}]

    def write_image_stream(
        self,
        node: Mapping[str, Any],
        ports: Sequence[Any],
        image: Mapping[str, Any],
        disk: Mapping[str, Any],
        configdrive: str | None = None,
    ) -> dict[str, Any]:
        """Write `image` over the disk of this name and serial; answers the disk, and seconds of each part."""
        command = _running()
        # At the end the agent logs the step with its arguments: not the host's private key, on the console.
        command.command_params["step"]["args"].pop("configdrive", None)
        try:
            return _write(command, dict(node), ImageOrder.read(image), disk, configdrive)
        except NotWritten as error:
            raise errors.DeploymentError(str(error)) from None


def _write(
    command: Any, node: dict[str, Any], order: ImageOrder, disk: Mapping[str, Any], configdrive: str | None
) -> dict[str, Any]:
    started = time.monotonic()
    _check(node, disk)
    write(order, disk["name"], progress=_teller(command, order.size))
    written = time.monotonic()
    if has_gpt(disk["name"]) and takes_iso(disk["name"]):
        stretch(disk["name"], gzip.decompress(base64.b64decode(configdrive)) if configdrive else None)
    elif configdrive:
        # The agent's own way is slower, and knows MBR tables and disks that take no ISO 9660.
        disk_utils.partprobe(disk["name"])
        partition_utils.create_config_drive_partition(node["uuid"], disk["name"], configdrive)
    seconds = {"image": written - started, "partitions": time.monotonic() - written}
    return {"disk": dict(disk), "seconds": {name: round(took, 1) for name, took in seconds.items()}}


def _check(node: dict[str, Any], disk: Mapping[str, Any]) -> None:
    """Names are given anew at each boot, serials are not: both must be those that the seed journaled."""
    found = {device.name: device.serial for device in hardware.list_all_block_devices(["disk", "raid1"])}
    if disk["name"] not in found or (found[disk["name"]] or None) != disk.get("serial"):
        disks = ", ".join(f"{name} serial {serial or 'unknown'}" for name, serial in sorted(found.items()))
        raise NotWritten(f"{disk['name']} with serial {disk.get('serial')} is not here; there are: {disks}")
    hardware.safety_check_block_device(node, disk["name"])


def _running() -> Any:
    """The command that is being carried out: the agent takes one at a time, and lists it once it runs."""
    agent = extensions.get_extension("deploy").agent
    with agent.command_lock:  # which is held until the command is listed
        return list(agent.command_results.values())[-1]


def _teller(command: Any, size: int) -> Callable[[int], None]:
    """The running command's result tells how far it is: whoever lists the agent's commands sees it."""
    last = 0.0

    def tell(count: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _EVERY or count == size:
            last = now
            command.command_result = {"progress": {"bytes": count, "of": size}}

    return tell
