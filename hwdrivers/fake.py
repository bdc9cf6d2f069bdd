"""A BMC that exists only in memory. It remembers what was done to it, and can be told to fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BootDevice, BootMode, Endpoint, Identity, PowerAction, PowerState
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import BMCError, BMCTimeout, Busy, LogInRefused, Unreachable
from hwdrivers.fake_console import FakeConsole
from hwdrivers.fake_parts import (
    FakeAccounts,
    FakeBIOS,
    FakeEventLog,
    FakeFirmware,
    FakeLED,
    FakeMedia,
    FakeRAID,
    FakeSecureBoot,
    FakeSensors,
    FakeTasks,
)
from hwdrivers.interfaces import Ability, Interface
from hwdrivers.inventory import Inventory
from hwdrivers.offers import ATTRIBUTES, Offers, by_protocol
from hwdrivers.power import fitting

# What the protocol of an address has nothing for, as real ones have not.
_NOT_IN_IPMI = (
    Interface.MEDIA,
    Interface.BIOS,
    Interface.SECURE_BOOT,
    Interface.RAID,
    Interface.FIRMWARE,
)
_NOT_IN_REDFISH = (Interface.CONSOLE,)


class Fault(StrEnum):
    """`TIME_OUT`: it is silent; `BUSY`: it answers each question that it wants to be left alone."""

    REFUSE_LOGIN = "refuse login"
    TIME_OUT = "time out"
    BUSY = "busy"
    POWER_STAYS = "power stays"


@dataclass(frozen=True)
class Deed:
    """Something that was done to a BMC, and when (by its clock)."""

    at: float
    what: str


class FakeBMC(Offers):
    """The machine and the conversation with it in one; `connect` opens it again after `close`.

    It has the interfaces that the protocol of its address has, but for those that it `lacks`.
    """

    def __init__(
        self,
        address: str = "ipmi://192.0.2.1",
        *,
        credentials: Credentials | None = None,
        identity: Identity | None = None,
        power: PowerState = PowerState.OFF,
        macs: Iterable[str] = (),
        boot_mode: BootMode | None = None,
        faults: Iterable[Fault] = (),
        lacks: Iterable[Interface] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.power = power
        self.boots_from: BootDevice | None = None
        self.boots_always = False
        self.deeds: list[Deed] = []
        self.logins: list[str] = []
        self.faults = set(faults)
        self.is_open = True
        self.credentials = credentials or Credentials("admin", Secret("password"))
        self.sensors: FakeSensors | None = FakeSensors(self)
        self.event_log: FakeEventLog | None = FakeEventLog(self)
        self.led: FakeLED | None = FakeLED(self)
        self.media: FakeMedia | None = FakeMedia(self)
        self.bios: FakeBIOS | None = FakeBIOS(self)
        self.secure_boot: FakeSecureBoot | None = FakeSecureBoot(self)
        self.raid: FakeRAID | None = FakeRAID(self)
        self.firmware: FakeFirmware | None = FakeFirmware(self)
        self.accounts: FakeAccounts | None = FakeAccounts(self)
        self.console: FakeConsole | None = FakeConsole(self)
        self.tasks = FakeTasks(self)
        self._conversations = 0
        self._address = BMCAddress.parse(address)
        self._take_away(lacks)
        self._identity = identity or Identity()
        self._macs = tuple(macs)
        self._boot_mode = boot_mode
        self._clock = clock

    @property
    def address(self) -> BMCAddress:
        return self._address

    def connect(self, endpoint: Endpoint) -> FakeBMC:
        """Log in, as `hwdrivers.connect.connect` does; every attempt is in `logins`."""
        self.logins.append(endpoint.credentials.username)
        if Fault.TIME_OUT in self.faults:
            raise Unreachable.at(self._address, "log in", "no answer", "check the cable")
        wrong = (endpoint.credentials.username, endpoint.credentials.password) != (
            self.credentials.username,
            self.credentials.password,
        )
        if wrong or Fault.REFUSE_LOGIN in self.faults:
            raise LogInRefused.at(self._address, "log in", "wrong password", "correct the credentials")
        self._conversations += 1
        self.is_open = True
        return self

    def identify(self) -> Identity:
        self.answer("read its identity")
        known = self._identity
        return Identity(known.vendor, known.model, known.serial, known.uuid, known.firmware, self.power)

    def power_state(self) -> PowerState:
        self.answer("read the power state")
        return self.power

    def request_power(self, action: PowerAction) -> None:
        self.answer(f"ask for power {action}")
        self.note(f"power {action}")
        if Fault.POWER_STAYS not in self.faults:
            wanted = fitting(action, self.power)
            off = wanted in (PowerAction.OFF, PowerAction.SOFT_OFF)
            self.power = self.power if wanted is None else PowerState.OFF if off else PowerState.ON
            if self.bios is not None and wanted in (PowerAction.ON, PowerAction.RESET):
                self.bios.boot()

    def set_boot_device(
        self, device: BootDevice, mode: BootMode | None = None, *, always: bool = False
    ) -> None:
        self.answer(f"set the boot device to {device}")
        self.note(f"boot device {device}")
        self.boots_from = device
        self.boots_always = always or device is BootDevice.DISK
        self._boot_mode = mode or self._boot_mode

    def boot_device(self) -> BootDevice | None:
        self.answer("read the boot device")
        return self.boots_from

    def macs(self) -> tuple[str, ...]:
        self.answer("read the NIC addresses")
        return self._macs

    def boot_mode(self) -> BootMode | None:
        self.answer("read the boot mode")
        return self._boot_mode

    def inventory(self) -> Inventory:
        known = self.identify()
        return Inventory(vendor=known.vendor, product=known.model, serial=known.serial, uuid=known.uuid)

    def abilities(self) -> Mapping[Interface, Ability]:
        return by_protocol(self._address, self)

    def close(self) -> None:
        self._conversations = max(0, self._conversations - 1)
        self.is_open = self._conversations > 0

    def _take_away(self, lacks: Iterable[Interface]) -> None:
        missing = _NOT_IN_REDFISH if self._address.is_redfish else _NOT_IN_IPMI
        for name in (*missing, *lacks):
            setattr(self, ATTRIBUTES[name], None)

    def note(self, what: str) -> None:
        """Remember a deed."""
        self.deeds.append(Deed(self._clock(), what))

    def answer(self, action: str) -> None:
        """Fail as it was told to, or let a question pass."""
        if not self.is_open:
            raise BMCError.at(self._address, action, "the session was closed here", "connect again")
        if Fault.TIME_OUT in self.faults:
            raise BMCTimeout.at(self._address, action, "it answered before, and now not", "try again")
        if Fault.BUSY in self.faults:
            raise Busy.at(self._address, action, "it asks to be left alone", "try again later")


class FakeRack:
    """Several `FakeBMC`s behind one `connect`; an address where none is does not answer."""

    def __init__(self, *bmcs: FakeBMC) -> None:
        self.bmcs = {str(bmc.address): bmc for bmc in bmcs}

    def connect(self, endpoint: Endpoint) -> FakeBMC:
        bmc = self.bmcs.get(str(endpoint.address))
        if bmc is None:
            raise Unreachable.at(endpoint.address, "log in", "no answer", "check the address and the cable")
        return bmc.connect(endpoint)
