"""BMCs that speak IPMI 2.0 over LAN. pyghmi's session stays behind `hwdrivers.ipmi.session`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BootDevice, BootMode, Endpoint, Identity, PowerAction, PowerState
from hwdrivers.iana import vendor_of
from hwdrivers.interfaces import Ability, Interface
from hwdrivers.inventory import Inventory
from hwdrivers.ipmi import boot, fru
from hwdrivers.ipmi.abilities import ask_abilities
from hwdrivers.ipmi.accounts import Accounts
from hwdrivers.ipmi.console import Console
from hwdrivers.ipmi.event_log import EventLog
from hwdrivers.ipmi.inventory import model, read_inventory, serial, vendor
from hwdrivers.ipmi.kept_session import KeptSession
from hwdrivers.ipmi.led import LED
from hwdrivers.ipmi.sdr import Repository
from hwdrivers.ipmi.sensors import Sensors
from hwdrivers.ipmi.session import WAITS
from hwdrivers.offers import Offers, by_protocol
from hwdrivers.pace import UNPACED, Pace
from hwdrivers.power import fitting
from hwdrivers.told import told_uuid

_CHASSIS, _APP = 0x00, 0x06  # network functions, IPMI 2.0 table 5-1

# Chassis Control, IPMI 2.0 table 28-4. "Power cycle" (2) is left out: virtualbmc 3.3.0 does not have it, and
# the standard lets a BMC refuse it when the power is off; see hwdrivers.power.power_cycle.
_CONTROL = {PowerAction.OFF: 0, PowerAction.ON: 1, PowerAction.RESET: 3, PowerAction.SOFT_OFF: 5}


class IPMI(Offers):
    """One session with one BMC; satisfies `hwdrivers.bmc.BMC`. Any thread may use it; calls queue up.

    Logs in when it is made. Time is bounded: a BMC that goes silent costs at most 6 s to log in and 12 s per
    command, one that does not listen nothing. An open console has a session of its own.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        pace: Pace = UNPACED,
        clock: Callable[[], float] = time.monotonic,
        waits: Sequence[float] = WAITS,
    ) -> None:
        self._bmc = KeptSession(endpoint, pace, clock, waits)
        self._repository = Repository(self._bmc)
        self.sensors = Sensors(self._bmc, self._repository)
        self.event_log = EventLog(self._bmc, self._repository)
        self.led = LED(self._bmc)
        self.accounts = Accounts(self._bmc)
        self.console = Console(self._bmc)

    @property
    def address(self) -> BMCAddress:
        return self._bmc.address

    def identify(self) -> Identity:
        """Get Device ID, FRU 0 and the system GUID; virtualbmc answers the first only."""
        power = self.power_state()
        device = self._bmc.ask("read its identity", _APP, 0x01)
        fields = fru.fields(self._bmc, 0)
        return Identity(
            vendor=vendor(fields) or _maker(device),
            model=model(fields),
            serial=serial(fields),
            uuid=self._guid(),
            firmware=_firmware(device),
            power=power,
        )

    def power_state(self) -> PowerState:
        status = self._bmc.ask("read the power state", _CHASSIS, 0x01, least=1)
        return PowerState.ON if status[0] & 1 else PowerState.OFF

    def request_power(self, action: PowerAction) -> None:
        wanted: PowerAction | None = action
        if action in (PowerAction.RESET, PowerAction.SOFT_OFF):
            wanted = fitting(action, self.power_state())
        if wanted is not None:
            self._bmc.ask(f"ask for power {wanted}", _CHASSIS, 0x02, (_CONTROL[wanted],))

    def set_boot_device(
        self, device: BootDevice, mode: BootMode | None = None, *, always: bool = False
    ) -> None:
        boot.set_boot_device(self._bmc, device, mode, always=always)

    def boot_device(self) -> BootDevice | None:
        return boot.boot_device(self._bmc)

    def macs(self) -> tuple[str, ...]:
        """(): IPMI tells the BMC's own MAC, not those of the host's NICs."""
        return ()

    def boot_mode(self) -> BootMode | None:
        """None: IPMI does not tell which firmware runs."""
        return None

    def inventory(self) -> Inventory:
        """FRU devices and the BMC's network; IPMI tells no processors, memory sizes or disks."""
        return read_inventory(self._bmc, self._repository, self.identify())

    def abilities(self) -> Mapping[Interface, Ability]:
        return ask_abilities(self._bmc, by_protocol(self.address, self))

    def close(self) -> None:
        self._bmc.close()

    def _guid(self) -> str | None:
        code, raw = self._bmc.answer("read its GUID", _APP, 0x37)
        # IPMI 2.0 table 20-10 counts the bytes the other way round; BMCs send SMBIOS order, as does pyghmi.
        return told_uuid(str(UUID(bytes_le=raw[:16]))) if code == 0 and len(raw) >= 16 else None


def _maker(device: bytes) -> str | None:
    # Get Device ID: manufacturer in bytes 6 to 8, low byte first, 20 bits (IPMI 2.0 table 20-2).
    return vendor_of(int.from_bytes(device[6:9], "little") & 0xFFFFF) if len(device) >= 9 else None


def _firmware(device: bytes) -> str | None:
    # Major revision in binary, minor in BCD.
    return f"{device[2] & 0x7F}.{device[3]:02x}" if len(device) >= 4 else None
