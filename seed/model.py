"""What the seed knows, as values: nodes, runs, events. Rows of the store never leave it; these do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from hwdrivers.address import BMCAddress
from hwdrivers.inventory import Inventory
from profiles.hosts import Deploy

Document = dict[str, Any]


class NextBoot(StrEnum):
    """What a machine gets when its firmware asks the network what to boot."""

    DISK = "disk"
    RAMDISK = "ramdisk"
    HOST = "host ramdisk"
    """Its host's own kernel and initramfs, where that runs from memory."""


class BootInterface(StrEnum):
    """How a machine gets to its ramdisk (Ironic's boot_interface: ipxe, http, redfish-virtual-media).

    PXE: over the network, by whichever of PXE and HTTP boot its firmware asks for. VIRTUAL_MEDIA: from an ISO
    image that its Redfish BMC inserts; no DHCP is needed.
    """

    PXE = "pxe"
    VIRTUAL_MEDIA = "virtual-media"


class PowerPolicy(StrEnum):
    """What to do when power is found other than a run left it: say so, put it back, or take it as it is."""

    REPORT = "report"
    RESTORE = "restore"
    ACCEPT = "accept"


@dataclass(frozen=True)
class Node:
    """One machine. `state` and `target_state` are Ironic's provision_state and target_provision_state.

    `power` is what was last seen; `expected_power` is what the last run, or an accepted drift, left it in.
    `system_uuid` is SMBIOS' (DSP0134 section 7.2.1), as BMC and iPXE tell it; `secure_boot` is whether UEFI
    takes signed loaders alone, None where the BMC does not tell; `console` is where its
    serial console is beside the BMC's own, such as tcp://192.0.2.9:7001 of a console server;
    `ramdisk_network` is OpenStack's network_data.json for the ramdisk, where DHCP does not tell its address.
    """

    uuid: str
    name: str
    bmc: str
    credentials: str
    state: str
    created_at: datetime
    target_state: str | None = None
    next_boot: NextBoot = NextBoot.DISK
    power: str | None = None
    expected_power: str | None = None
    power_policy: PowerPolicy = PowerPolicy.REPORT
    vendor: str | None = None
    model: str | None = None
    serial: str | None = None
    system_uuid: str | None = None
    secure_boot: bool | None = None
    console: str | None = None
    boot_interface: BootInterface = BootInterface.PXE
    ramdisk_network: Document | None = None
    bmc_firmware: str | None = None
    boot_mode: str | None = None
    maintenance: bool = False
    maintenance_reason: str | None = None
    maintenance_by: str | None = None
    fault: str | None = None
    retired: bool = False
    retired_reason: str | None = None
    protected: bool = False
    protected_reason: str | None = None
    last_error: str | None = None
    inventory: Inventory | None = None
    instance: Instance | None = None
    abilities: Document | None = None
    """What its BMC can do: interface → {"supported": bool, "detail": str}; None: not asked yet."""
    macs: tuple[str, ...] = ()

    @property
    def boot_mac(self) -> str | None:
        """The NIC that firmware boots from, as far as that is known."""
        return boot_mac_of(self.macs, self.inventory.boot_mac if self.inventory else None)

    def facts(self) -> dict[str, str | None]:
        """What a host declaration can match on."""
        return facts_of(self.bmc, self.serial, self.name, self.vendor, self.model)


@dataclass(frozen=True)
class Standing:
    """Where a node stands in the graph, and what decides where it goes from there."""

    uuid: str
    state: str
    retired: bool = False
    maintenance: bool = False


@dataclass(frozen=True)
class Watched:
    """What is known of a node's power, and how to ask for it; `last_run` tells whether a run came between."""

    uuid: str
    name: str
    bmc: str
    credentials: str
    power: str | None
    expected_power: str | None
    power_policy: PowerPolicy
    fault: str | None
    last_run: int | None


@dataclass(frozen=True)
class Bootable:
    """What firmware's questions are answered from: much less than an inventory, for many nodes at once."""

    uuid: str
    name: str
    macs: tuple[str, ...]
    boot_mac: str | None
    facts: dict[str, str | None]
    next_boot: NextBoot
    system_uuid: str | None
    secure_boot: bool | None


def boot_mac_of(macs: tuple[str, ...], seen: str | None) -> str | None:
    """The NIC that was seen booting from the network; until then, the first that is known."""
    return seen if seen in macs else next(iter(macs), None)


def facts_of(
    bmc: str, serial: str | None, name: str, vendor: str | None, model: str | None
) -> dict[str, str | None]:
    """What a host declaration can match on."""
    host = BMCAddress.parse(bmc).host
    return {"bmc": host, "serial": serial, "name": name, "vendor": vendor, "model": model}


@dataclass(frozen=True)
class Instance:
    """What a node is, or is being, turned into: the declaration as it stood when deploy was asked.

    `uuid` is new for each deploy: cloud-init's instance id, which only the config drive tells.
    """

    uuid: str
    image: str
    sha512: str
    hostname: str
    address: str | None
    role: str | None
    ssh_host_key: str
    host: Document
    network: Document | None = None
    root_device: Document | None = None
    disk_serial: str | None = None
    mirror_serial: str | None = None
    """Of the second disk, where the root file system is on a software RAID."""

    @property
    def deploy(self) -> Deploy:
        """How it gets to its machine."""
        return Deploy(self.host.get("deploy", Deploy.DIRECT))

    @property
    def in_memory(self) -> bool:
        """Whether it comes over the network at each boot, and no disk has it."""
        return self.deploy is Deploy.RAMDISK

    @property
    def calls_home(self) -> bool:
        """Whether it is going to tell that it runs."""
        return bool(self.host.get("calls_home", True))


@dataclass(frozen=True)
class Agent:
    """The ironic-python-agent that answers in a node's ramdisk; known from lookup until the ramdisk ends."""

    node: str
    address: str
    heartbeat_at: datetime | None = None
    url: str | None = None
    ca: str | None = None
    version: str | None = None
    report: Inventory | None = None


class RunState(StrEnum):
    """Where a run is; the last three are ends."""

    READY = "ready"
    WAITING = "waiting"
    HELD = "held"
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"


class Intent(StrEnum):
    """What an operator asked of a run that takes effect once its present step is done."""

    ABORT = "abort"
    HOLD = "hold"


@dataclass(frozen=True)
class Run:
    """One walk of a verb on one node: written down before anything happens, resumed at `cursor`.

    A step is written "name" or "name:argument"; `args` are what the verb was given and what steps left for
    later ones. `needs` is the limited resource of the present step, `slot` whether the run has one of it.
    `deadline` is None until the step is executed, and again after a time in which nobody could have done it.
    """

    id: int
    node: str
    verb: str
    who: str
    steps: tuple[str, ...]
    return_to: str | None
    state: RunState
    cursor: int
    attempt: int
    step_started_at: datetime
    wake_at: datetime
    created_at: datetime
    memo: Document = field(default_factory=dict)
    args: Document = field(default_factory=dict)
    deadline: datetime | None = None
    needs: str | None = None
    slot: bool = False
    intent: Intent | None = None
    intent_by: str | None = None
    rollout: int | None = None
    reason: str | None = None
    finished_at: datetime | None = None

    @property
    def step(self) -> str | None:
        """The step that is under way, or None at the end."""
        return self.steps[self.cursor] if self.cursor < len(self.steps) else None

    @property
    def argument(self) -> str:
        """What stands after the step's name: which of the agent's steps, for one that runs any of them."""
        return (self.step or "").partition(":")[2]


@dataclass(frozen=True)
class Event:
    """Something that happened; the table is append-only."""

    id: int
    at: datetime
    kind: str
    message: str
    node: str | None = None
    run: int | None = None
    data: Document = field(default_factory=dict)
