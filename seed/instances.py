"""What nodes are turned into: from a declared host to an instance, its config drive and its first call."""

from __future__ import annotations

from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hwdrivers.credentials import Secret
from profiles.hosts import Deploy, Host, Network
from profiles.site import AmbiguousProfile, NoProfile, Site
from pxe import configdrive
from pxe.images import ImageError, OSImage
from seed.cloud_init import FirstBootData, render
from seed.deploy_methods import refusal
from seed.images import HostImage, Images
from seed.model import Instance, Node
from seed.rendering import NotRenderable, nics, rendered
from seed.steps.identity import NoSuchDisk, choose_disks
from seed.store import Store

HOST_KEY = "ssh-host-key"
HOME = "instance.home"
FETCHED = "boot.initramfs"
OFF = "power.off"  # journaled by boot_from_disk and boot_host_ramdisk before they switch on


class NotDeployable(ValueError):
    """The declaration cannot be carried out on this node; nothing was changed."""


class Instances:
    """Turns declarations into instances and knows when they are up."""

    def __init__(self, store: Store, images: Images, base_url: str) -> None:
        self._store = store
        self._images = images
        self._base_url = base_url

    def declare(self, node: Node, site: Site | None = None) -> tuple[Instance, dict[str, Secret]]:
        """The instance that `node` should become, and its secrets by name; nothing is stored yet.

        `site`: the declaration, where the caller has read it. Everything that can be checked now is; raises
        NotDeployable.
        """
        site = site or self._site()
        host = _host(node, site)
        if refused := refusal(node, host):
            raise NotDeployable(f"node '{node.name}': {refused}")
        try:
            image = self._images.verified(host.image, host.deploy)
        except ImageError as error:
            raise NotDeployable(f"node '{node.name}': {error}") from error
        _check_raid(node, host, image)
        self._check_disk(node, host, image)
        _rendered(node, host)
        private, public = _new_host_key()
        return _instance(node, host, site, sha512=image.sha512, ssh_host_key=public), {HOST_KEY: private}

    def adopted(self, node: Node) -> Instance:
        """The instance of a host that runs already; raises NotDeployable.

        What was written to its disk and its SSH host key are its own: nobody told the seed.
        """
        site = self._site()
        host = _host(node, site)
        if host.deploy is Deploy.RAMDISK:
            raise NotDeployable(
                f"node '{node.name}': deploy: ramdisk: what runs from memory is not taken over, deploy it"
            )
        return _instance(node, host, site, sha512="", ssh_host_key="")

    def config_drive(self, node: Node) -> bytes:
        """The config drive of the node's instance; it holds the host's private key."""
        return configdrive.build(self.first_boot_files(node))

    def first_boot_files(self, node: Node) -> dict[str, bytes]:
        """What stands in it, by name."""
        instance = node.instance
        if instance is None:
            raise NotDeployable(f"node '{node.name}' has no instance")
        with self._store.read() as tx:
            key = tx.secrets.get(node.uuid, HOST_KEY)
        host = _rendered(node, Host.model_validate(instance.host))
        data = FirstBootData(
            uuid=instance.uuid,
            hostname=instance.hostname,
            mac=host.macs[0] if host.macs else node.boot_mac or node.macs[0],
            host=host,
            network=Network.model_validate(instance.network) if instance.network else None,
            host_key=key,
            host_key_public=instance.ssh_host_key,
            home_url=f"{self._base_url}/v1/phone-home/{node.uuid}",
            nics=nics(node),
        )
        return render(data)

    def is_another(self, node: Node, said: str, address: str) -> str | None:
        """Why who calls home from `address` as instance `said` is not the node's; journaled once."""
        instance, wrong = node.instance, None
        if instance is None or said != instance.uuid:
            wrong = "this is not the instance that was deployed"
        elif instance.address not in (None, address):
            wrong = f"this call comes from another host than the declared {instance.address}"
        if wrong is not None:
            self._sent_away(node, f"{address} called home and was sent away: {wrong}")
        return wrong

    def _sent_away(self, node: Node, message: str) -> None:
        with self._store.write() as tx:
            last = tx.events.latest(node.uuid, prefixes=("instance.", OFF))
            if last is None or last.message != message:
                tx.events.add("instance.refused", message, node=node.uuid)

    def came_home(self, node: Node) -> None:
        """The operating system of the node said that it is up."""
        with self._store.write() as tx:
            tx.events.add(HOME, "the operating system called home", node=node.uuid)
            tx.runs.wake(node.uuid)

    def is_home(self, node: Node) -> bool:
        """Whether the operating system called since the machine was switched off to boot it."""
        return self._since_off(node, HOME)

    def has_fetched(self, node: Node) -> bool:
        """Whether the machine got a ramdisk since it was switched off to boot it."""
        return self._since_off(node, FETCHED)

    def _since_off(self, node: Node, kind: str) -> bool:
        with self._store.read() as tx:
            event = tx.events.latest(node.uuid, prefixes=(kind, OFF))
        return event is not None and event.kind == kind

    def settle(self, node: Node) -> None:
        """The host has its private key: the seed forgets it."""
        with self._store.write() as tx:
            tx.secrets.drop(node.uuid, HOST_KEY)

    def forget(self, node: Node) -> None:
        """The host is gone, and all secrets that were made for it."""
        with self._store.write() as tx:
            tx.secrets.drop(node.uuid)

    def _site(self) -> Site:
        with self._store.read() as tx:
            return tx.documents.site()

    def _check_disk(self, node: Node, host: Host, image: HostImage) -> None:
        if node.inventory is None or not isinstance(image, OSImage):
            return
        try:
            choose_disks(node.inventory, host, image.virtual_size)
        except NoSuchDisk as error:
            raise NotDeployable(f"node '{node.name}': {error}") from error


def _rendered(node: Node, host: Host) -> Host:
    try:
        return rendered(node, host)
    except NotRenderable as error:
        raise NotDeployable(str(error)) from None


def _host(node: Node, site: Site) -> Host:
    try:
        return site.host_for(node.facts())
    except (NoProfile, AmbiguousProfile) as error:
        raise NotDeployable(f"node '{node.name}': {error}") from error


def _check_raid(node: Node, host: Host, image: HostImage) -> None:
    """Of an image that was made elsewhere nobody knows what is in it."""
    if not host.software_raid or not isinstance(image, OSImage):
        return
    known = {package.partition("=")[0] for package in image.packages}
    if known and "mdadm" not in known:
        raise NotDeployable(
            f"node '{node.name}': software_raid: image '{image.name}' has no mdadm to assemble its root file "
            "system: build it again: undercloud image build-os"
        )


def _instance(node: Node, host: Host, site: Site, *, sha512: str, ssh_host_key: str) -> Instance:
    network = site.networks.get(host.network)
    return Instance(
        uuid=str(uuid4()),
        image=host.image,
        sha512=sha512,
        hostname=host.hostname or node.name,
        address=host.address,
        role=host.role.value if host.role else None,
        ssh_host_key=ssh_host_key,
        host=host.model_dump(mode="json"),
        network=network.model_dump(mode="json") if network else None,
        root_device=host.root_device.model_dump(exclude_none=True) if host.root_device else None,
    )


def _new_host_key() -> tuple[Secret, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return Secret(private.decode()), public.decode()
