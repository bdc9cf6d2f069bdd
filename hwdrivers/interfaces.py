"""What a BMC may offer besides power and boot: one small protocol for each interface, as Ironic names them.

A driver has an attribute for each; None: its protocol has no such thing (IPMI has no BIOS settings). What one
model lacks although its protocol has it raises `Unsupported` when asked, and `BMC.abilities` tells it without
an exception. All calls block and raise only `BMCError` and its kin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from hwdrivers.credentials import Secret


class Interface(StrEnum):
    """What a BMC can be asked for, in the words that operators see."""

    POWER = "power"
    BOOT_DEVICE = "boot device"
    BOOT_MODE = "boot mode"
    INVENTORY = "inventory"
    SENSORS = "sensors"
    EVENT_LOG = "event log"
    LED = "identify led"
    MEDIA = "virtual media"
    BIOS = "bios"
    SECURE_BOOT = "secure boot"
    RAID = "raid"
    FIRMWARE = "firmware"
    ACCOUNTS = "accounts"
    CONSOLE = "console"


@dataclass(frozen=True)
class Ability:
    """Whether a BMC can do something, and in a few words what, or why not ("CD, USBStick")."""

    supported: bool
    detail: str = ""


class Health(StrEnum):
    """Redfish's words for how a part is; IPMI thresholds are told in the same."""

    OK = "OK"
    WARNING = "Warning"
    CRITICAL = "Critical"


@dataclass(frozen=True)
class Sensor:
    """One reading. `unit` as UCUM has it: Cel, RPM, V, W, A, %; `value` None: no reading now.

    `state` is what a discrete sensor tells in words; thresholds are in the same unit.
    """

    name: str
    kind: str
    value: float | None = None
    unit: str | None = None
    state: str | None = None
    health: Health | None = None
    low_critical: float | None = None
    high_critical: float | None = None


class Sensors(Protocol):
    """Redfish Sensors, Thermal and Power; IPMI SDR."""

    def read(self) -> tuple[Sensor, ...]:
        """Every sensor, in the BMC's order."""


@dataclass(frozen=True)
class LogEntry:
    """One line of the system event log; `at` is None where the BMC's clock was not set."""

    id: str
    message: str
    at: datetime | None = None
    severity: Health | None = None
    sensor: str | None = None


class EventLog(Protocol):
    """IPMI SEL; Redfish LogServices."""

    def entries(self) -> tuple[LogEntry, ...]:
        """The newest last."""

    def clear(self) -> None:
        """Remove all entries."""


class LED(Protocol):
    """The light that shows which machine is meant."""

    def lit(self) -> bool | None:
        """None: the BMC does not tell."""

    def set(self, on: bool) -> None:
        """Switch it on until it is switched off, or off."""


@dataclass(frozen=True)
class MediaSlot:
    """A virtual drive: what it may hold ("CD", "DVD", "USBStick", "Floppy") and the image that is in it."""

    id: str
    kinds: tuple[str, ...]
    image: str | None = None


class Media(Protocol):
    """Virtual media."""

    def slots(self) -> tuple[MediaSlot, ...]:
        """All drives."""

    def attach(self, image: str, kind: str = "CD") -> MediaSlot:
        """Insert the image at this URL into the first drive that takes `kind`; what was in it is ejected."""

    def detach(self, kind: str | None = None) -> None:
        """Eject from the drives that take `kind`, or from all. Empty already is no error."""


@dataclass(frozen=True)
class Setting:
    """A BIOS attribute; `allowed`, `lower`, `upper` and `help` where the attribute registry tells them."""

    name: str
    value: str | int | bool | None
    pending: str | int | bool | None = None
    kind: str | None = None
    allowed: tuple[str, ...] = ()
    lower: int | None = None
    upper: int | None = None
    read_only: bool = False
    help: str | None = None


class BIOS(Protocol):
    """Firmware settings; what is set counts from the next boot (@Redfish.Settings)."""

    def settings(self) -> tuple[Setting, ...]:
        """Sorted by name."""

    def apply(self, values: Mapping[str, str | int | bool]) -> None:
        """Stage values; all are checked against the registry first, and nothing is sent if one is wrong."""

    def reset(self) -> None:
        """Back to the factory's values at the next boot."""


class SecureBoot(Protocol):
    """UEFI Secure Boot."""

    def enabled(self) -> bool:
        """As it is set for the next boot."""

    def set(self, on: bool) -> None:
        """Counts from the next boot."""


@dataclass(frozen=True)
class RAIDDisk:
    """A drive behind a RAID controller; `id` is what volumes name."""

    id: str
    size_bytes: int | None = None
    serial: str | None = None
    model: str | None = None
    kind: str | None = None


@dataclass(frozen=True)
class RAIDVolume:
    """`level` as Ironic writes it: "0", "1", "5", "6", "1+0", "JBOD"."""

    name: str
    level: str | None
    size_bytes: int | None = None
    disks: tuple[str, ...] = ()
    id: str | None = None


@dataclass(frozen=True)
class RAIDController:
    """A controller with its drives and volumes."""

    id: str
    model: str | None
    disks: tuple[RAIDDisk, ...] = ()
    volumes: tuple[RAIDVolume, ...] = ()


class RAID(Protocol):
    """Volumes of hardware RAID controllers."""

    def controllers(self) -> tuple[RAIDController, ...]:
        """Those that can make volumes."""

    def create(self, controller: str, volume: RAIDVolume) -> Task | None:
        """Make a volume; None: it is there already when the call returns. Destroys what its disks hold."""

    def delete(self, controller: str, volume: str) -> Task | None:
        """Remove the volume of that id. Destroys what it holds."""


@dataclass(frozen=True)
class Component:
    """Something with firmware; `updateable` is None where the BMC does not tell."""

    id: str
    name: str
    version: str | None = None
    updateable: bool | None = None


@dataclass(frozen=True)
class TaskState:
    """Where a long job of the BMC stands; `percent` 0 to 100; `failed` says why when `done` and not well."""

    done: bool
    percent: int | None = None
    message: str | None = None
    failed: str | None = None


class Task(Protocol):
    """A long job of a BMC. `monitor` names it, so that a seed that was restarted can ask again."""

    @property
    def monitor(self) -> str:
        """The URI of the task monitor (DSP0266), without the host."""


class Firmware(Protocol):
    """Redfish UpdateService."""

    def components(self) -> tuple[Component, ...]:
        """All that the firmware inventory lists."""

    def update(self, image: str, targets: Sequence[str] = ()) -> Task | None:
        """SimpleUpdate from this URL, of these components' ids (all that fit, when empty)."""

    def progress(self, monitor: str) -> TaskState:
        """How far the task is."""


@dataclass(frozen=True)
class Account:
    """A log-in of the BMC itself; `role` in its own words ("Administrator")."""

    id: str
    username: str
    role: str | None = None
    enabled: bool = True


class Accounts(Protocol):
    """Who may log in to the BMC."""

    def all(self) -> tuple[Account, ...]:
        """Slots without a name are left out."""

    def set_password(self, username: str, password: Secret) -> None:
        """Change it on the BMC; this conversation goes on."""


class ConsoleStream(Protocol):
    """An open serial console. Not for two readers at once; another thread may write and close."""

    def read(self, timeout: float) -> bytes:
        """What the machine wrote; b"" when it was silent for `timeout` seconds. Raises when it has ended."""

    def write(self, data: bytes) -> None:
        """Type."""

    def close(self) -> None:
        """Never raises."""


class Console(Protocol):
    """The machine's serial port: IPMI Serial over LAN (IPMI 2.0 section 15)."""

    def open(self) -> ConsoleStream:
        """Raises `Busy` where somebody else has it open."""
