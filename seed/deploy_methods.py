"""Which of Ironic's deploy interfaces a host can come to its machine by, and why not."""

from __future__ import annotations

from profiles.hosts import Deploy, Host
from seed.model import BootInterface, Node


def refusal(node: Node, host: Host) -> str | None:
    """Why the host cannot be deployed as it is declared; a disk is written only where that was declared."""
    return _never(host) or (_no_ramdisk(node, host) if host.deploy is Deploy.RAMDISK else None)


def _never(host: Host) -> str | None:
    if host.deploy is Deploy.BOOTC:
        return "deploy: bootc is not supported yet, only: direct, ramdisk"
    if host.software_raid and host.deploy is Deploy.RAMDISK:
        return "software_raid is for deploy: direct; deploy: ramdisk writes no disk"
    if host.deploy is Deploy.DIRECT and not host.calls_home:
        return "calls_home: false is for deploy: ramdisk; what is on a disk is up when its cloud-init says so"
    return None


def _no_ramdisk(node: Node, host: Host) -> str | None:
    """Why this host cannot run from memory on this machine."""
    if node.boot_interface is BootInterface.VIRTUAL_MEDIA:
        return "deploy: ramdisk comes over the network at each boot, and this node boots from virtual media"
    if node.secure_boot:
        return (
            "deploy: ramdisk is not supported with Secure Boot: GRUB's files lie open on TFTP, and its "
            "SSH host key would with them"
        )
    if host.deploy_steps:
        return "deploy_steps are the agent's, which deploy: ramdisk does not boot"
    return None
