"""What a machine gets when its firmware asks: here a MAC becomes a boot script."""

from __future__ import annotations

from pxe.images import Ramdisk
from pxe.ipxe import BootDisk, BootRamdisk, BootSpec, machine_script
from seed.images import Images
from seed.lifecycle import DECOMMISSIONED
from seed.media import Told
from seed.model import NextBoot, Node
from seed.ramdisk_network import network_of
from seed.store import Store
from seed.store.errors import NotFound


class Boot:
    """Answers for one provisioning network; a machine that is not enrolled gets no script."""

    def __init__(
        self, store: Store, images: Images, base_url: str, kernel_arguments: tuple[str, ...]
    ) -> None:
        self._store = store
        self._images = images
        self._base_url = base_url
        self._kernel_arguments = kernel_arguments

    def script_for(self, mac: str) -> str | None:
        """The iPXE script of the machine with this MAC, rendered now; None for one that is none of ours."""
        with self._store.write() as tx:
            node = tx.nodes.by_macs([mac.lower().replace("-", ":")])
            if node is None or node.state == DECOMMISSIONED:
                return None
            tx.events.add("boot.script", f"asked what to boot: {node.next_boot}", node=node.uuid, mac=mac)
        return machine_script(
            self.spec_for(node, mac), f"undercloud: {node.name} boots from {node.next_boot}"
        )

    def spec_for(self, node: Node, mac: str) -> BootSpec:
        """What the node is to boot."""
        if node.next_boot is NextBoot.DISK:
            return BootDisk()
        return BootRamdisk(
            kernel_url=f"{self._base_url}/boot/{node.uuid}/kernel",
            initramfs_url=f"{self._base_url}/boot/{node.uuid}/initramfs",
            arguments=(
                f"ipa-api-url={self._base_url}",
                f"ipa-inspection-callback-url={self._base_url}/v1/continue_inspection",
                "ipa-inspection-collectors=default",
                f"BOOTIF={mac.lower().replace('-', ':')}",
                *self._kernel_arguments,
            ),
        )

    def told(self, node: Node) -> Told:
        """What an ISO tells the node's machine; raises NotFound where it is not to boot the ramdisk."""
        spec = self.spec_for(node, node.boot_mac or "")
        if not isinstance(spec, BootRamdisk):
            raise NotFound(f"node '{node.name}' is not to boot the ramdisk")
        return Told(spec.arguments, network_of(node))

    def ramdisk(self, node_uuid: str, part: str) -> Ramdisk:
        """The files behind the script's URLs; `part` is only told to the journal. Raises NotFound."""
        ramdisk = self._images.ramdisk()
        with self._store.write() as tx:
            node = tx.nodes.get(node_uuid)
            tx.events.add(f"boot.{part}", f"fetches the {part}", node=node.uuid)
        return ramdisk
