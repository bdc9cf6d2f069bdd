"""What a machine gets at each boot whose host runs from memory (`deploy: ramdisk`).

A kernel, an initramfs, and before it a small one with what is the host's own: the files of a config drive,
where cloud-init looks for them beside a drive (DataSourceConfigDrive's seed folder). The host's private SSH
key is among them, and no disk keeps it, so they are served at each boot: once for each boot script, to the
address that asked for that, if it is the one that DHCP gave to the node.
"""

from __future__ import annotations

from pxe.cpio import newc
from pxe.images import ImageError, Ramdisk
from pxe.ipxe import BootRamdisk
from seed.images import Images
from seed.instances import Instances
from seed.model import Node
from seed.store import Store, Transaction
from seed.store.errors import NotFound

PLACE = "var/lib/cloud/seed/config_drive/openstack/latest"
SERVED = "boot.host-data"


class OtherImage(ImageError):
    """The image is not the one that was deployed."""


class HostBoot:
    """Answers machines whose next boot is their host's own ramdisk."""

    def __init__(
        self, store: Store, images: Images, instances: Instances, base_url: str, files_url: str
    ) -> None:
        self._store = store
        self._images = images
        self._instances = instances
        self._base_url = base_url
        self._files_url = files_url

    def spec(self, node: Node) -> BootRamdisk:
        """The same at each boot, as long as the image is; raises ImageError."""
        return BootRamdisk(
            kernel_url=f"{self._files_url}/boot/{node.uuid}/kernel",
            initramfs_url=f"{self._files_url}/boot/{node.uuid}/initramfs",
            arguments=self.image(node).kernel_arguments,
            own_url=f"{self._base_url}/boot/{node.uuid}/own",
        )

    def image(self, node: Node) -> Ramdisk:
        """The image that was deployed; raises ImageError where there is another by its name, or none."""
        instance = node.instance
        if instance is None or not instance.in_memory:
            raise OtherImage(f"node '{node.name}' has no host that runs from memory")
        image = self._images.host_ramdisk(instance.image)
        if image.sha512 != instance.sha512:
            raise OtherImage(
                f"image '{image.name}' was replaced since it was deployed: put that one back, or "
                f"undercloud node rebuild {node.name}"
            )
        return image

    def own_initramfs(self, node: Node, address: str) -> bytes:
        """What is the host's own, for the machine at `address`; raises NotFound. Either is journaled."""
        with self._store.write() as tx:
            refused = _refusal(tx, node, address)
            if refused is None:
                tx.events.add(SERVED, f"{address} fetches what is its host's own", node=node.uuid)
            else:
                _journal_refusal(tx, node, address, refused)
        if refused is not None:
            raise NotFound(refused)
        files = {f"{PLACE}/{name}": data for name, data in self._instances.first_boot_files(node).items()}
        return newc(files, private=files)


def _journal_refusal(tx: Transaction, node: Node, address: str, why: str) -> None:
    """Once in a row: who is refused may ask for ever."""
    message = f"{address} asked for what is its host's own and was refused: {why}"
    last = tx.events.latest(node.uuid, prefixes=("boot.",))
    if last is None or last.message != message:
        tx.events.add("boot.data-refused", message, node=node.uuid, address=address)


def _refusal(tx: Transaction, node: Node, address: str) -> str | None:
    """Why who asks from `address` is not the machine that is booting now."""
    last = tx.events.latest(node.uuid, prefixes=("boot.script", SERVED))
    if last is None or last.kind != "boot.script":
        return "it did not just ask for its boot script"
    if last.data.get("address") != address:
        return f"the boot script went to {last.data.get('address')}"
    lease = tx.events.latest(node.uuid, prefixes=("boot.dhcpack",))
    declared = node.instance.address if node.instance else None
    known = lease.data.get("address") if lease else declared
    return f"the node's address is {known}" if known not in (None, address) else None
