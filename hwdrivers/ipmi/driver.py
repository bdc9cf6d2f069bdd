"""BMCs that speak IPMI 2.0 over LAN. pyghmi stays behind `hwdrivers.ipmi.session`."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BootDevice, BootMode, Endpoint, Identity, PowerAction, PowerState
from hwdrivers.errors import (
    AccessDenied,
    BMCError,
    BMCTimeout,
    Busy,
    ProtocolError,
    Unsupported,
)
from hwdrivers.iana import vendor_of
from hwdrivers.interfaces import Ability, Interface
from hwdrivers.inventory import Inventory
from hwdrivers.ipmi.errors import refused, translated
from hwdrivers.ipmi.session import WAITS, Session
from hwdrivers.offers import Offers, by_protocol
from hwdrivers.pace import UNPACED, Pace
from hwdrivers.power import fitting
from hwdrivers.told import told, told_uuid

_CHASSIS, _APP = 0x00, 0x06  # network functions, IPMI 2.0 table 5-1

# A BMC ends an idle session after 60 s, give or take 3 (IPMI 2.0 section 6.12.15). Asking on a dead session
# costs six seconds of silence; logging in anew costs four packets.
_IDLE_LIMIT = 30.0

# Chassis Control, IPMI 2.0 table 28-4. "Power cycle" (2) is left out: virtualbmc 3.3.0 does not have it, and
# the standard lets a BMC refuse it when the power is off; see hwdrivers.power.power_cycle.
_CONTROL = {PowerAction.OFF: 0, PowerAction.ON: 1, PowerAction.RESET: 3, PowerAction.SOFT_OFF: 5}

# Boot flags, IPMI 2.0 table 28-14 parameter 5: data 1 (0x80 valid, 0x40 for all future boots), data 2.
# PXE and CD once: a machine must not fall into a network boot for ever when the seed is gone, and what was
# installed must not be wiped by a boot nobody asked for. The disk for good: a deployed host comes up from its
# disk after a power failure whatever the firmware's own order says. No EFI bit (0x20): firmware in the field
# ignores its absence, and setting it on a BIOS machine stops the boot.
_BOOT_FLAGS = {BootDevice.PXE: (0x80, 0x04), BootDevice.DISK: (0xC0, 0x08), BootDevice.CDROM: (0x80, 0x14)}


class IPMI(Offers):
    """One session with one BMC; satisfies `hwdrivers.bmc.BMC`. Any thread may use it; calls queue up.

    Logs in when it is made. Time is bounded: a BMC that goes silent costs at most 6 s to log in and 12 s per
    command, one that does not listen nothing.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        pace: Pace = UNPACED,
        clock: Callable[[], float] = time.monotonic,
        waits: Sequence[float] = WAITS,
    ) -> None:
        self._endpoint = endpoint
        self._pace = pace
        self._clock = clock
        self._waits = waits
        self._lock = threading.RLock()
        self._end: BMCError | None = None  # set once: closed, or not let in any more
        self._used = clock()
        self._session: Session | None = self._open()

    @property
    def address(self) -> BMCAddress:
        return self._endpoint.address

    def identify(self) -> Identity:
        """Get Device ID, FRU 0 and the system GUID; virtualbmc answers the first only."""
        power = self.power_state()
        device = self._ask("read its identity", _APP, 0x01)
        fru = self._fru()
        return Identity(
            vendor=told(fru.get("Manufacturer")) or told(fru.get("Board manufacturer")) or _maker(device),
            model=told(fru.get("Product name")) or told(fru.get("Board product name")),
            serial=told(fru.get("Serial Number")) or told(fru.get("Chassis serial number")),
            uuid=self._guid(),
            firmware=_firmware(device),
            power=power,
        )

    def power_state(self) -> PowerState:
        status = self._ask("read the power state", _CHASSIS, 0x01)
        if not status:
            raise ProtocolError.at(
                self.address, "read the power state", "an empty answer", "report the model"
            )
        return PowerState.ON if status[0] & 1 else PowerState.OFF

    def request_power(self, action: PowerAction) -> None:
        wanted: PowerAction | None = action
        if action in (PowerAction.RESET, PowerAction.SOFT_OFF):
            wanted = fitting(action, self.power_state())
        if wanted is not None:
            self._ask(f"ask for power {wanted}", _CHASSIS, 0x02, (_CONTROL[wanted],))

    def set_boot_device(self, device: BootDevice, mode: BootMode | None = None) -> None:
        what = f"set the boot device to {device}"
        with contextlib.suppress(Unsupported):
            # Parameter 3: keep the flags when no chassis control follows within 60 s.
            self._ask(what, _CHASSIS, 0x08, (3, 0x08))
        flags, selector = _BOOT_FLAGS[device]
        self._ask(what, _CHASSIS, 0x08, (5, flags, selector, 0, 0, 0))

    def boot_device(self) -> BootDevice | None:
        """Not read yet."""
        return None

    def macs(self) -> tuple[str, ...]:
        """(): IPMI tells the BMC's own MAC, not those of the host's NICs."""
        return ()

    def boot_mode(self) -> BootMode | None:
        """None: IPMI does not tell which firmware runs."""
        return None

    def inventory(self) -> Inventory:
        """What the FRU tells of the machine as a whole."""
        known = self.identify()
        return Inventory(vendor=known.vendor, product=known.model, serial=known.serial, uuid=known.uuid)

    def abilities(self) -> Mapping[Interface, Ability]:
        return by_protocol(self.address, self)

    def close(self) -> None:
        with self._lock:
            if self._end is None:
                self._end = BMCError.at(self.address, "go on", "the session was closed here", "connect again")
            self._hang_up()

    def _fru(self) -> dict[str, object]:
        with self._lock, translated(self._endpoint, "read its FRU"):
            return self._live().fru()
        return {}

    def _guid(self) -> str | None:
        try:
            raw = self._ask("read its GUID", _APP, 0x37)
        except (Unsupported, Busy, ProtocolError):
            return None
        # IPMI 2.0 table 20-10 counts the bytes the other way round; BMCs send SMBIOS order, as does pyghmi.
        return told_uuid(str(UUID(bytes_le=raw[:16]))) if len(raw) >= 16 else None

    def _ask(self, action: str, netfn: int, command: int, data: tuple[int, ...] = ()) -> bytes:
        with self._lock:
            try:
                return self._once(action, netfn, command, data)
            except BMCTimeout:
                # It may have been reset or have dropped the session: a new one, once.
                self._hang_up()
                return self._once(action, netfn, command, data)

    def _once(self, action: str, netfn: int, command: int, data: tuple[int, ...]) -> bytes:
        session = self._live()
        with translated(self._endpoint, action):
            answer = session.command(netfn, command, data)
        self._used = self._clock()
        if answer["code"] == 0:
            return bytes(answer["data"])
        raise refused(self.address, action, answer["code"], answer.get("error", "no text"))

    def _live(self) -> Session:
        """The session, logged in anew when there is none or it has been idle for too long."""
        if self._end is not None:
            raise self._end.with_traceback(None)
        if self._session is not None and self._clock() - self._used > _IDLE_LIMIT:
            self._hang_up()
        if self._session is None:
            try:
                self._session = self._open()
            except AccessDenied as denied:
                self._end = denied  # the password was changed meanwhile: never try the old one again
                raise
        return self._session

    def _open(self) -> Session:
        login = self._endpoint.credentials
        with translated(self._endpoint, "log in"):
            session = Session(
                self.address.host,
                self.address.port or 623,
                login.username,
                login.password.reveal(),
                waits=self._waits,
            )
        self._used = self._clock()
        return session

    def _hang_up(self) -> None:
        if self._session is not None:
            self._session.hang_up()
            self._session = None


def _maker(device: bytes) -> str | None:
    # Get Device ID: manufacturer in bytes 6 to 8, low byte first, 20 bits (IPMI 2.0 table 20-2).
    return vendor_of(int.from_bytes(device[6:9], "little") & 0xFFFFF) if len(device) >= 9 else None


def _firmware(device: bytes) -> str | None:
    # Major revision in binary, minor in BCD.
    return f"{device[2] & 0x7F}.{device[3]:02x}" if len(device) >= 4 else None
