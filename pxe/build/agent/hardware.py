"""The hardware manager: a deploy step that the official agent finds beside its own.

Written for ironic-python-agent 13.0.0 (`hardware.py`, `extensions/deploy.py`, `extensions/base.py`).
"""

from __future__ import annotations

import base64
import gzip
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from ironic_python_agent import disk_utils, errors, hardware, partition_utils
from ironic_python_agent.extensions import base as extensions

from . import raid
from .mirrored import mirror as make_mirror
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
            "mirror": "name and serial of a second disk, for the root file system as RAID 1",
            "configdrive": "an ISO 9660 image, gzip, base64",
        }
        argsinfo = {
            name: {"description": text, "required": name in ("image", "disk")}
            for name, text in arguments.items()
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
        mirror: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write `image` over the disk of this name and serial; answers the disk, and seconds of each part.

        With `mirror`, over both, and the root file system is a RAID 1 of Linux.
        """
        command = _running()
        # At the end the agent logs the step with its arguments: not the host's private key, on the console.
        command.command_params["step"]["args"].pop("configdrive", None)
        try:
            return _write(command, dict(node), ImageOrder.read(image), (disk, mirror), configdrive)
        except NotWritten as error:
            raise errors.DeploymentError(str(error)) from None

    def erase_devices(self, node: Mapping[str, Any], ports: Sequence[Any]) -> NoReturn:
        """Dissolve all software RAIDs: the agent's own step, which follows, passes over disks that have one.

        So do the two below (`_is_linux_raid_member`), without a word.
        """
        _dissolve_all()

    def erase_devices_express(self, node: Mapping[str, Any], ports: Sequence[Any]) -> NoReturn:
        _dissolve_all()

    def erase_devices_metadata(self, node: Mapping[str, Any], ports: Sequence[Any]) -> NoReturn:
        _dissolve_all()


def _dissolve_all() -> NoReturn:
    try:
        raid.release_all()
    except NotWritten as error:
        raise errors.BlockDeviceEraseError(str(error)) from None
    raise errors.IncompatibleHardwareMethodError  # the next manager is asked, which erases


def _write(
    command: Any,
    node: dict[str, Any],
    order: ImageOrder,
    disks: tuple[Mapping[str, Any], Mapping[str, Any] | None],
    configdrive: str | None,
) -> dict[str, Any]:
    started = time.monotonic()
    disk, mirror = disks
    for each in filter(None, disks):
        _check(node, each)
    name = disk["name"]
    raid.release([each["name"] for each in filter(None, disks)])
    write(order, name, progress=_teller(command, order.size))
    written = time.monotonic()
    drive = gzip.decompress(base64.b64decode(configdrive)) if configdrive else None
    simple = has_gpt(name) and takes_iso(name)
    if mirror is not None:
        _must_be_simple(simple, name)
        make_mirror((name, mirror["name"]), order.virtual_size, drive)
    elif simple:
        stretch(name, drive)
    elif configdrive:
        # The agent's own way is slower, and knows MBR tables and disks that take no ISO 9660.
        disk_utils.partprobe(name)
        partition_utils.create_config_drive_partition(node["uuid"], name, configdrive)
    seconds = {"image": written - started, "partitions": time.monotonic() - written}
    told = {name: round(took, 1) for name, took in seconds.items()}
    return {"disk": dict(disk), "mirror": dict(mirror) if mirror else None, "seconds": told}


def _must_be_simple(simple: bool, disk: str) -> None:
    if not simple:
        raise NotWritten(f"{disk} has no GPT, or sectors of 4096 bytes: no software RAID is made of such")


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
