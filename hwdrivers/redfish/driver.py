"""BMCs that speak Redfish (DSP0266). Only this file and its two siblings import sushy."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sushy
from sushy import exceptions as seen

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BootDevice, BootMode, Endpoint, Identity, PowerAction, PowerState
from hwdrivers.errors import BMCError, ProtocolError, SeveralSystems, Unsupported
from hwdrivers.interfaces import Ability, Interface
from hwdrivers.inventory import Inventory
from hwdrivers.mac import normal_mac
from hwdrivers.offers import Offers, by_protocol
from hwdrivers.pace import UNPACED, Pace
from hwdrivers.power import fitting
from hwdrivers.redfish.errors import NOT_THERE, translated
from hwdrivers.redfish.session import Service
from hwdrivers.told import told, told_uuid

# What to ask for, the best first: not every BMC allows each (ComputerSystem.Reset, DSP0268).
_RESETS = {
    PowerAction.ON: (sushy.ResetType.ON, sushy.ResetType.FORCE_ON),
    PowerAction.OFF: (sushy.ResetType.FORCE_OFF,),
    PowerAction.SOFT_OFF: (sushy.ResetType.GRACEFUL_SHUTDOWN, sushy.ResetType.PUSH_POWER_BUTTON),
    PowerAction.RESET: (sushy.ResetType.FORCE_RESTART, sushy.ResetType.POWER_CYCLE),
}
_POWER = {
    sushy.PowerState.ON: PowerState.ON,
    sushy.PowerState.OFF: PowerState.OFF,
    # On the way: the machine is what it was until it has become something else.
    sushy.PowerState.POWERING_ON: PowerState.OFF,
    sushy.PowerState.POWERING_OFF: PowerState.ON,
    sushy.PowerState.PAUSED: PowerState.ON,
}
_ONCE, _ALWAYS = sushy.BootSourceOverrideEnabled.ONCE, sushy.BootSourceOverrideEnabled.CONTINUOUS
# PXE and CD once, the disk for good: a machine must not fall into a network boot for ever when the seed is
# gone, nor be wiped by a boot that nobody asked for; and a deployed host comes up from its disk after a power
# failure whatever the firmware's own order says. sushy-tools 2.2.0 stores Once as Continuous: whoever has
# booted from the network once must set the disk, which real machines need as well to come back to it.
_BOOT = {
    BootDevice.PXE: ((sushy.BootSource.PXE,), _ONCE),
    BootDevice.DISK: ((sushy.BootSource.HDD,), _ALWAYS),
    # Supermicro X10 has no Cd; X11 and X12 have it and boot virtual media as UsbCd only: sushy knows.
    BootDevice.CDROM: ((sushy.BootSource.CD, sushy.BootSource.USB_CD), _ONCE),
}
_BOOT_MODES = {"UEFI": BootMode.UEFI, "Legacy": BootMode.BIOS}


class Redfish(Offers):
    """One session with one system behind one service; satisfies `hwdrivers.bmc.BMC`.

    Logs in when it is made, with one attempt. Any thread may use it; calls queue up.
    """

    def __init__(self, endpoint: Endpoint, *, pace: Pace = UNPACED) -> None:
        self._endpoint = endpoint
        self._pace = pace
        self._lock = threading.RLock()
        self._closed = False
        self._root: Any = None
        try:
            with self._talking("log in"):
                self._root = Service(endpoint)
                self._system = self._chosen_system()
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> BMCAddress:
        return self._endpoint.address

    def identify(self) -> Identity:
        with self._talking("read its identity"):
            self._system.refresh()
            return Identity(
                vendor=told(self._system.manufacturer),
                model=told(self._system.model),
                serial=told(self._system.serial_number),
                uuid=told_uuid(self._system.uuid),
                firmware=self._bmc_firmware(),
                power=_POWER.get(self._system.power_state),
            )

    def power_state(self) -> PowerState:
        with self._talking("read the power state"):
            self._system.refresh()
            state = _POWER.get(self._system.power_state)
        if state is None:
            raise Unsupported.at(self.address, "read the power state", "it tells none", "update its firmware")
        return state

    def request_power(self, action: PowerAction) -> None:
        wanted: PowerAction | None = action
        if action in (PowerAction.RESET, PowerAction.SOFT_OFF):
            wanted = fitting(action, self.power_state())
        if wanted is not None:
            with self._talking(f"ask for power {wanted}"):
                self._reset(wanted)

    def set_boot_device(self, device: BootDevice, mode: BootMode | None = None) -> None:
        with self._talking(f"set the boot device to {device}"):
            self._system.refresh()
            targets, enabled = _BOOT[device]
            boot = self._system.json.get("Boot") or {}
            settable = boot.get("BootSourceOverrideEnabled@Redfish.AllowableValues") or [enabled.value]
            if enabled.value not in settable:
                enabled = _ONCE if enabled is _ALWAYS else _ALWAYS
            target = self._allowed(device, targets, self._system.get_allowed_system_boot_source_values())
            self._system.set_system_boot_options(target=target, enabled=enabled)

    def boot_device(self) -> BootDevice | None:
        """Not read yet."""
        return None

    def macs(self) -> tuple[str, ...]:
        with self._talking("read the NIC addresses"), contextlib.suppress(*NOT_THERE):
            return tuple(dict.fromkeys(self._read_macs()))
        return ()

    def boot_mode(self) -> BootMode | None:
        """The firmware that runs, where the BMC tells (Boot.BootSourceOverrideMode)."""
        with self._talking("read the boot mode"):
            self._system.refresh()
            return _BOOT_MODES.get(str((self._system.json.get("Boot") or {}).get("BootSourceOverrideMode")))

    def inventory(self) -> Inventory:
        """What the system's own document tells."""
        known = self.identify()
        return Inventory(vendor=known.vendor, product=known.model, serial=known.serial, uuid=known.uuid)

    def abilities(self) -> Mapping[Interface, Ability]:
        return by_protocol(self.address, self)

    def close(self) -> None:
        with self._lock:
            if self._root is not None and not self._closed:
                self._root.log_out()
            self._closed = True

    def _chosen_system(self) -> Any:
        path = self.address.path
        paths = self._root.get_system_collection().members_identities
        if path is None and len(paths) == 1:
            path = paths[0]
        if path is not None and path.rstrip("/") in [p.rstrip("/") for p in paths]:
            return self._root.get_system(path)
        raise self._no_system(path, paths)

    def _no_system(self, path: str | None, paths: tuple[str, ...]) -> BMCError:
        if not paths:
            return ProtocolError.at(self.address, "find the machine", "it lists no system", "reset the BMC")
        problem = f"it has no {path}" if path else f"there are {len(paths)} systems behind it"
        choices = tuple(replace(self.address, path=p.rstrip("/")) for p in paths)
        error = SeveralSystems.at(
            self.address, "choose the machine", problem, f"use one of {', '.join(map(str, choices))}"
        )
        error.choices = choices
        return error

    def _reset(self, action: PowerAction) -> None:
        allowed = self._system.get_allowed_reset_system_values()
        kind = self._allowed(f"power {action}", _RESETS[action], allowed)
        try:
            self._system.reset_system(kind)
        except seen.HTTPError:
            # iDRAC refuses to switch on what is on (409).
            if fitting(action, self.power_state()) is not None:
                raise

    def _allowed(self, what: str, wanted: Sequence[Any], allowed: Collection[Any]) -> Any:
        """The first of what we want that this BMC allows."""
        for value in wanted:
            if value in allowed:
                return value
        names = ", ".join(sorted(value.value for value in allowed))
        raise Unsupported.at(self.address, f"ask for {what}", f"it allows only {names}", "use one of these")

    def _read_macs(self) -> Iterator[str]:
        nics = self._system.ethernet_interfaces
        for path in nics.members_identities:
            with contextlib.suppress(*NOT_THERE):  # iDRAC 7 lists members that answer 404
                document = nics.get_member(path).json
                mac = normal_mac(document.get("PermanentMACAddress")) or normal_mac(
                    document.get("MACAddress")
                )
                if mac:
                    yield mac

    def _bmc_firmware(self) -> str | None:
        with contextlib.suppress(*NOT_THERE, seen.ServerSideError):
            for manager in self._system.managers:
                return told(manager.firmware_version)
        return None

    @contextlib.contextmanager
    def _talking(self, action: str) -> Iterator[None]:
        """One call at a time, and sushy's errors turned into ours."""
        with self._lock:
            if self._closed:
                raise BMCError.at(self.address, action, "the session was closed here", "connect again")
            with translated(self.address, action):
                yield
