"""What a machine gets when its firmware asks: here a MAC, UUID or serial number becomes a boot script."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlencode

from hwdrivers.mac import normal_mac
from hwdrivers.told import told_uuid
from pxe.images import ImageError, Ramdisk
from pxe.ipxe import BootDisk, BootRamdisk, BootSpec, Halt, machine_script
from pxe.media.own_part import own_initramfs
from seed.boot_times import LOOKED_AT
from seed.host_boot import HostBoot
from seed.images import Images
from seed.lately import STRANGER_AGAIN, STRANGERS, Lately
from seed.lifecycle import DECOMMISSIONED
from seed.media import Told
from seed.model import Bootable, Document, NextBoot, Node
from seed.ramdisk_network import network_of
from seed.recognition import may_join, owner
from seed.store import Store, Transaction
from seed.store.errors import Conflict, NotFound

UNKNOWN = "unknown"  # in URLs, in place of a node's UUID
LONGEST_SERIAL = 64  # characters; SMBIOS' are shorter
LOADS = 5  # of the ramdisk in one attempt: a kernel that dies so often will not live the next time
_FRESH = ("power.on", "agent.report", "agent.lookup", "agent.heartbeat")


class ScriptRefused(Exception):
    """A machine gets no script; the message is journaled."""


@dataclass(frozen=True)
class Asked:
    """What a machine tells of itself: the NIC that it boots from, and SMBIOS' UUID and serial number."""

    mac: str | None
    system_uuid: str | None = None
    serial: str | None = None
    address: str = ""

    @property
    def macs(self) -> list[str]:
        return [self.mac] if self.mac else []


class Boot:
    """Answers for one provisioning network; `inspects`: machines of no node boot the ramdisk too."""

    def __init__(
        self,
        store: Store,
        images: Images,
        base_url: str,
        kernel_arguments: tuple[str, ...],
        hosts: HostBoot,
        *,
        files_url: str,
        inspects: bool = False,
        dhcp: bool = True,
    ) -> None:
        """`dhcp`: whether this seed answers it; if not, declared addresses are told to the ramdisk."""
        self._store = store
        self._images = images
        self._base_url = base_url
        self._files_url = files_url
        self._kernel_arguments = kernel_arguments
        self._hosts = hosts
        self._inspects = inspects
        self._dhcp = dhcp
        self._strangers = Lately(STRANGERS, STRANGER_AGAIN)

    def script_for(self, asked: Asked) -> str:
        """The iPXE script of the machine, rendered now; raises ScriptRefused."""
        try:
            with self._store.write() as tx:
                return self._answer(tx, asked)
        except (ScriptRefused, Conflict, ImageError) as error:
            self._journal_refusal(asked, str(error))
            raise ScriptRefused(str(error)) from error

    def spec_for(self, node: Node | Bootable, mac: str | None) -> BootSpec:
        """What the node is to boot."""
        with self._store.read() as tx:
            return self._spec(tx, node, mac)

    def script_of(self, node: Bootable) -> tuple[BootSpec, str]:
        """What GRUB is to boot on the node's machine, and what its console is told of it."""
        if node.next_boot is NextBoot.HOST:
            halt = Halt("deploy: ramdisk comes by iPXE alone: GRUB fetches files that lie open on TFTP")
            return halt, _title(node, halt)
        with self._store.read() as tx:
            spec = self._spec(tx, tx.nodes.get(node.uuid), node.boot_mac)
        return spec, _title(node, spec)

    def script_of_unknown(self) -> tuple[BootSpec, str] | None:
        """What a machine of no node boots, where it boots anything."""
        if not self._inspects:
            return None
        return self._ramdisk_of(UNKNOWN, None), "undercloud: a machine of no node boots the ramdisk"

    def told(self, node: Node) -> Told:
        """What an ISO tells the node's machine; raises NotFound where it is not to boot the ramdisk."""
        spec = self.spec_for(node, node.boot_mac)
        if not isinstance(spec, BootRamdisk) or node.next_boot is NextBoot.HOST:
            raise NotFound(f"node '{node.name}' is not to boot the ramdisk")
        return Told(spec.arguments, self.network(node))

    def network(self, node: Node) -> Document | None:
        """What the node's ramdisk configures its network by; None: DHCP."""
        with self._store.read() as tx:
            return network_of(node, tx.documents.site(), dhcp=self._dhcp)

    def own_initramfs(self, node_uuid: str, address: str = "") -> bytes:
        """What is the machine's own in its ramdisk; a host's is for the machine at `address` alone.

        Raises NotFound.
        """
        with self._store.read() as tx:
            node = tx.nodes.get(node_uuid)
        if node.next_boot is NextBoot.HOST:
            return self._hosts.own_initramfs(node, address)
        return own_initramfs(self.network(node))

    def ramdisk(self, node_uuid: str, part: str) -> Ramdisk:
        """The files behind the script's URLs; `part` is only told to the journal.

        Raises NotFound, ImageError.
        """
        if node_uuid == UNKNOWN and self._inspects:
            return self._images.ramdisk()
        with self._store.write() as tx:
            node = tx.nodes.get(node_uuid)
            of_host = node.next_boot is NextBoot.HOST
            ramdisk = self._hosts.image(node) if of_host else self._images.ramdisk()
            tx.events.add(f"boot.{part}", f"fetches the {part}", node=node.uuid)
            if of_host:
                tx.runs.wake(node.uuid)
        return ramdisk

    def fetched_loader(self, filename: str, address: str) -> None:
        """Journal that a boot loader was fetched by HTTP, with the node that this address was leased to."""
        with self._store.write() as tx:
            node = tx.events.newest_at(address, "boot.dhcpack", LOOKED_AT)
            if node is None:
                return
            message = f"{address} fetches {filename} by HTTP"
            tx.events.add("boot.http-loader", message, node=node, file=filename, address=address)

    # -- what it decides -----------------------------------------------------------------------------

    def _answer(self, tx: Transaction, asked: Asked) -> str:
        node = owner(tx, asked.macs, asked.system_uuid, asked.serial)
        if node is None:
            return self._of_unknown(tx, asked)
        if node.state == DECOMMISSIONED:
            raise ScriptRefused(f"node '{node.name}' is decommissioned")
        self._learn(tx, node, asked)
        spec = self._spec(tx, node, asked.mac)
        self._journal(tx, node, spec, asked)
        return machine_script(spec, _title(node, spec))

    def _spec(self, tx: Transaction, node: Node | Bootable, mac: str | None) -> BootSpec:
        if node.next_boot is NextBoot.DISK:
            return BootDisk()
        if node.next_boot is NextBoot.HOST:
            return self._hosts.spec(tx.nodes.get(node.uuid))
        if self._loads(tx, node) >= LOADS:
            return Halt(
                f"The ramdisk was loaded {LOADS} times since power-on, and no agent called the seed. "
                f"This is why it stops: undercloud why {node.name}"
            )
        return self._with_network(tx, node, self._ramdisk_of(node.uuid, mac))

    def _with_network(self, tx: Transaction, node: Node | Bootable, spec: BootRamdisk) -> BootRamdisk:
        """The agent need not wait for DHCP to address each NIC, which the members of a bond never have."""
        network = isinstance(node, Node) and network_of(node, tx.documents.site(), dhcp=self._dhcp)
        if not network:
            return spec
        arguments = (*spec.arguments, "ipa-inspection-dhcp-wait-timeout=0")
        return replace(spec, arguments=arguments, own_url=f"{self._base_url}/boot/{node.uuid}/own")

    def _loads(self, tx: Transaction, node: Node | Bootable) -> int:
        """How often the ramdisk was fetched since the machine was powered on, or an agent called from it."""
        count = 0
        for event in reversed(tx.events.newest(200, node=node.uuid)):
            if event.kind in _FRESH:
                break
            count += event.kind == "boot.initramfs"
        return count

    def _ramdisk_of(self, whose: str, mac: str | None, report_to: str = "") -> BootRamdisk:
        return BootRamdisk(
            kernel_url=f"{self._files_url}/boot/{whose}/kernel",
            initramfs_url=f"{self._files_url}/boot/{whose}/initramfs",
            arguments=(
                f"ipa-api-url={self._base_url}",
                f"ipa-inspection-callback-url={self._base_url}/v1/continue_inspection{report_to}",
                "ipa-inspection-collectors=default",
                *([f"BOOTIF={mac}"] if mac else []),
                *self._kernel_arguments,
            ),
        )

    def _of_unknown(self, tx: Transaction, asked: Asked) -> str:
        if not self._inspects:
            raise ScriptRefused(f"no node has {_who(asked)}")
        if self._strangers.is_new((asked.mac, "boots")):
            tx.events.add("boot.script", f"{_who(asked)}, of no node, boots the ramdisk", mac=asked.mac)
        # The agent does not tell the system's UUID; what iPXE told comes back with the agent's report.
        uuid = told_uuid(asked.system_uuid)
        spec = self._ramdisk_of(UNKNOWN, asked.mac, "?" + urlencode({"system_uuid": uuid}) if uuid else "")
        return machine_script(spec, "undercloud: a machine of no node boots the ramdisk")

    # -- what it writes down -------------------------------------------------------------------------

    def _learn(self, tx: Transaction, node: Node, asked: Asked) -> None:
        """A NIC that was changed is known by what SMBIOS says; the UUID by the NIC."""
        if asked.mac and asked.mac not in node.macs and may_join(node):
            tx.nodes.update(node.uuid, macs=(*node.macs, asked.mac))
            tx.events.add("node.changed", f"{asked.mac} is a new NIC of it, by {_who(asked)}", node=node.uuid)
        uuid = told_uuid(asked.system_uuid)
        if uuid and node.system_uuid is None:
            tx.nodes.update(node.uuid, system_uuid=uuid)

    def _journal(self, tx: Transaction, node: Node, spec: BootSpec, asked: Asked) -> None:
        if isinstance(spec, Halt):
            tx.events.add("boot.loop", spec.reason, node=node.uuid, mac=asked.mac, times=LOADS)
        else:
            message = f"asked what to boot: {node.next_boot}"
            data = {"boots": node.next_boot, "mac": asked.mac, "address": asked.address}
            tx.events.add("boot.script", message, node=node.uuid, run=None, **data)

    def _journal_refusal(self, asked: Asked, why: str) -> None:
        """Once in a row: iPXE asks again every few seconds."""
        message = f"gets no boot script: {why}"
        with self._store.write() as tx:
            try:
                node = owner(tx, asked.macs, asked.system_uuid, asked.serial)
            except Conflict:
                node = None
            if node is None:
                told = not self._strangers.is_new((asked.mac, why))
            else:
                last = tx.events.latest(node.uuid, prefixes=("boot.", "power."))
                told = last is not None and last.message == message
            if not told:
                whose, data = node.uuid if node else None, {"mac": asked.mac, "address": asked.address}
                tx.events.add("boot.script-refused", message, node=whose, run=None, reason=why, **data)


def asked_by(mac: str, system_uuid: str | None, serial: str | None, address: str) -> Asked:
    """What stands in a machine's question; a serial number may be any text, and is shown on terminals."""
    plain = "".join(filter(str.isprintable, serial or ""))[:LONGEST_SERIAL]
    return Asked(normal_mac(mac), told_uuid(system_uuid), plain or None, address)


def _who(asked: Asked) -> str:
    parts = (("MAC", asked.mac), ("UUID", asked.system_uuid), ("serial", asked.serial))
    return ", ".join(f"{name} {value}" for name, value in parts if value) or "no identity"


def _title(node: Node | Bootable, spec: BootSpec) -> str:
    return f"undercloud: {node.name} " + (
        "stops here" if isinstance(spec, Halt) else f"boots from {node.next_boot}"
    )
