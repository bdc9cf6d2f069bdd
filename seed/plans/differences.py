"""Is a host what is declared? What would have to be written anew, and a digest of what it would become."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from profiles.hosts import Host, Network
from pxe.images import ImageError, OSImage
from seed.images import HostImage
from seed.model import Document, Instance, Node
from seed.rendering import rendered
from seed.steps.identity import choose_disks, describe

# Of a declaration, what says who and when; the rest says what is written to the disk.
_NOT_WRITTEN = frozenset({"match", "profile", "state", "maintenance"})

_WRITTEN = {
    "ssh_keys": "SSH keys",
    "user_data": "user data",
    "vendor_data": "vendor data",
    "vendor_data2": "vendor data",
    "interfaces": "network interfaces",
    "deploy": "deploy method",
    "deploy_steps": "deploy steps",
    "software_raid": "software RAID",
}


def rebuilds(
    node: Node, instance: Instance, host: Host, network: Network | None, image: HostImage | ImageError | None
) -> Iterator[str]:
    """What a host would have to be written anew for, in words; nothing when it is as declared.

    A role is not among it: a hand-off changes that. Neither are more MACs, or hints that mean the same disk.
    """
    if instance.image != host.image:
        yield f"image: {instance.image} → {host.image}"
    elif isinstance(image, HostImage) and instance.sha512 not in ("", image.sha512):  # "": of an adopted host
        yield f"image: {host.image} was built anew"
    if host.hostname not in (None, instance.hostname):
        yield f"host name: {instance.hostname} → {host.hostname}"
    if host.address != instance.address:
        yield f"address: {instance.address or 'by DHCP'} → {host.address or 'by DHCP'}"
    elif host.address and _plain(network) != instance.network:
        yield f"network '{host.network}'"
    yield from dict.fromkeys(_other_values(node, instance, host))
    yield from _other_disks(node, instance, host, image)


def _other_values(node: Node, instance: Instance, host: Host) -> Iterator[str]:
    """What would be written otherwise, with templates filled in: other variables may come to the same."""
    now, then = host.model_dump(mode="json"), instance.host
    if all(now[key] == then.get(key, now[key]) for key in (*_WRITTEN, "vars")):
        return
    now = rendered(node, host).model_dump(mode="json")
    then = rendered(node, Host.model_validate(instance.host)).model_dump(mode="json")
    for key, words in _WRITTEN.items():
        if now[key] != then[key]:
            yield words


def digest(host: Host, network: Network | None, image: HostImage) -> str:
    """Of all that a deploy makes of a node: whoever planned one thing gets no other."""
    return _digest(host.model_dump(mode="json"), _plain(network), image.name, image.sha512)


def digest_of(instance: Instance) -> str:
    """The same of an instance."""
    return _digest(instance.host, instance.network, instance.image, instance.sha512)


def _digest(host: Document, *rest: Any) -> str:
    written = {key: value for key, value in host.items() if key not in _NOT_WRITTEN}
    return hashlib.sha256(json.dumps([written, *rest], sort_keys=True).encode()).hexdigest()


def _other_disks(
    node: Node, instance: Instance, host: Host, image: HostImage | ImageError | None
) -> Iterator[str]:
    """The disks that the hints mean now, if they are others than those of then and mean other ones."""
    hints = host.root_device.model_dump(exclude_none=True) if host.root_device else None
    if hints == instance.root_device or node.inventory is None or not isinstance(image, OSImage):
        return
    had = (instance.disk_serial, instance.mirror_serial)
    disks = choose_disks(node.inventory, host, image.virtual_size)
    # Which of two is the first is a matter of the names that a boot gave them.
    if instance.disk_serial is not None and any(disk.serial not in had for disk in disks):
        was = " and ".join(filter(None, had))
        yield f"disk: {was} → {' and '.join(map(describe, disks))}"


def _plain(network: Network | None) -> Document | None:
    return network.model_dump(mode="json") if network else None
