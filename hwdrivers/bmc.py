"""What every BMC can be asked, whatever protocol it speaks.

A driver is one file that implements `BMC` and is the only importer of its library. All calls block;
they raise only `hwdrivers.errors.BMCError` and its kin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from hwdrivers.address import BMCAddress
from hwdrivers.credentials import Credentials
from hwdrivers.interfaces import (
    BIOS,
    LED,
    RAID,
    Ability,
    Accounts,
    Console,
    EventLog,
    Firmware,
    Interface,
    Media,
    SecureBoot,
    Sensors,
)

if TYPE_CHECKING:
    from hwdrivers.inventory import Inventory


class PowerState(StrEnum):
    """Ironic's names for what a BMC says of the chassis power."""

    ON = "power on"
    OFF = "power off"


class PowerAction(StrEnum):
    """What a BMC can be asked to do to the chassis power."""

    ON = "on"
    OFF = "off"
    SOFT_OFF = "soft off"
    RESET = "reset"


class BootDevice(StrEnum):
    """Ironic's names for the device that firmware tries first."""

    PXE = "pxe"
    DISK = "disk"
    CDROM = "cdrom"


class BootMode(StrEnum):
    """Which firmware a machine runs."""

    BIOS = "bios"
    UEFI = "uefi"


@dataclass(frozen=True)
class Endpoint:
    """A BMC that we may talk to: where it is and how to log in."""

    address: BMCAddress
    credentials: Credentials


@dataclass(frozen=True)
class Identity:
    """Who a BMC says it is. None: the BMC does not tell (normal on real hardware)."""

    vendor: str | None = None
    model: str | None = None
    serial: str | None = None
    uuid: str | None = None
    firmware: str | None = None
    power: PowerState | None = None


class BMC(Protocol):
    """An open conversation with one BMC. Make one per BMC and keep it: BMCs have few sessions."""

    @property
    def address(self) -> BMCAddress:
        """Where it listens, for messages."""

    def identify(self) -> Identity:
        """Ask who this is and whether the machine has power."""

    def power_state(self) -> PowerState:
        """Ask whether the machine has power."""

    def request_power(self, action: PowerAction) -> None:
        """Ask for a change of power and return at once; see `hwdrivers.power` for act, wait, read back.

        What is already so is no error; a reset of a machine that is off starts it.
        """

    def set_boot_device(
        self, device: BootDevice, mode: BootMode | None = None, *, always: bool = False
    ) -> None:
        """Make firmware try `device` first from the next power-on, in `mode` where that is given.

        At that one alone, unless it is the disk, or `always`, where the BMC can.
        """

    def boot_device(self) -> BootDevice | None:
        """What firmware is told to try first; None: its own order, or the BMC does not tell."""

    def macs(self) -> tuple[str, ...]:
        """The host's NIC addresses (aa:bb:cc:dd:ee:ff) as the BMC tells them; () when it does not."""

    def boot_mode(self) -> BootMode | None:
        """Which firmware runs, where the BMC tells; None where it does not (IPMI never does)."""

    def inventory(self) -> Inventory:
        """What the machine is made of, as far as the BMC tells."""

    def abilities(self) -> Mapping[Interface, Ability]:
        """What this BMC can do, and for the rest why not; every `Interface` is there."""

    @property
    def sensors(self) -> Sensors | None: ...

    @property
    def event_log(self) -> EventLog | None: ...

    @property
    def led(self) -> LED | None: ...

    @property
    def media(self) -> Media | None: ...

    @property
    def bios(self) -> BIOS | None: ...

    @property
    def secure_boot(self) -> SecureBoot | None: ...

    @property
    def raid(self) -> RAID | None: ...

    @property
    def firmware(self) -> Firmware | None: ...

    @property
    def accounts(self) -> Accounts | None: ...

    @property
    def console(self) -> Console | None: ...

    def close(self) -> None:
        """Log out; never raises."""
