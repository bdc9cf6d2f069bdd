"""BMCs that speak Redfish (DSP0266). Only this folder imports sushy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sushy import exceptions as seen

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BootDevice, BootMode, Endpoint, Identity, PowerAction, PowerState
from hwdrivers.errors import BMCError, ProtocolError, SeveralSystems, Unsupported
from hwdrivers.interfaces import Ability, Interface
from hwdrivers.inventory import Inventory
from hwdrivers.mac import normal_mac
from hwdrivers.offers import Offers
from hwdrivers.pace import UNPACED, Pace
from hwdrivers.power import fitting
from hwdrivers.redfish import boot, dell
from hwdrivers.redfish.abilities import find_abilities
from hwdrivers.redfish.accounts import RedfishAccounts
from hwdrivers.redfish.bios import RedfishBIOS
from hwdrivers.redfish.connector import READ_TIMEOUT
from hwdrivers.redfish.documents import Document, link, local
from hwdrivers.redfish.event_log import RedfishEventLog
from hwdrivers.redfish.firmware import RedfishFirmware
from hwdrivers.redfish.inventory import read_inventory
from hwdrivers.redfish.led import RedfishLED
from hwdrivers.redfish.media import RedfishMedia
from hwdrivers.redfish.quirks import Quirk
from hwdrivers.redfish.raid import RedfishRAID
from hwdrivers.redfish.secure_boot import RedfishSecureBoot
from hwdrivers.redfish.sensors import RedfishSensors
from hwdrivers.redfish.system import System
from hwdrivers.told import told, told_uuid

_RESET = "#ComputerSystem.Reset"
# What to ask for, the best first: not every BMC allows each (ComputerSystem.Reset, DSP0268).
_RESETS = {
    PowerAction.ON: ("On", "ForceOn"),
    PowerAction.OFF: ("ForceOff",),
    PowerAction.SOFT_OFF: ("GracefulShutdown", "PushPowerButton"),
    PowerAction.RESET: ("ForceRestart", "PowerCycle", "FullPowerCycle"),
}
_POWER = {
    "on": PowerState.ON,
    "off": PowerState.OFF,
    # On the way: the machine is what it was until it has become something else.
    "poweringon": PowerState.OFF,
    "poweringoff": PowerState.ON,
    "paused": PowerState.ON,
}


class Redfish(Offers):
    """One system behind one service; satisfies `hwdrivers.bmc.BMC`.

    Logs in when it is made, with one attempt, or joins the session that another system behind the service has
    open. Any thread may use it; calls queue up. `timeout`: seconds that it may think about one question.
    """

    def __init__(self, endpoint: Endpoint, *, pace: Pace = UNPACED, timeout: float = READ_TIMEOUT) -> None:
        self._system = System(endpoint, pace, timeout)
        self._abilities: Mapping[Interface, Ability] | None = None
        try:
            with self._system.talking("log in"):
                self._system.log_in()
                self._system.path = self._chosen_path()
        except BaseException:
            self.close()
            raise
        self.sensors = RedfishSensors(self._system)
        self.event_log = RedfishEventLog(self._system)
        self.led = RedfishLED(self._system)
        self.media: RedfishMedia = RedfishMedia(self._system)
        self.bios = RedfishBIOS(self._system)
        self.secure_boot = RedfishSecureBoot(self._system)
        self.raid = RedfishRAID(self._system)
        self.firmware = RedfishFirmware(self._system)
        self.accounts = RedfishAccounts(self._system)

    @property
    def address(self) -> BMCAddress:
        return self._system.address

    def identify(self) -> Identity:
        with self._system.talking("read its identity"):
            document = self._system.document()
            return Identity(
                vendor=told(document.get("Manufacturer")),
                model=told(document.get("Model")),
                serial=self._serial(document),
                uuid=told_uuid(document.get("UUID")),
                firmware=self._bmc_firmware(),
                power=_power(document),
            )

    def _serial(self, document: Mapping[str, Any]) -> str | None:
        """As the machine's own firmware tells it to its operating system."""
        sku = told(document.get("SKU")) if Quirk.SKU_IS_SERIAL in self._system.quirks else None
        return sku or told(document.get("SerialNumber"))

    def power_state(self) -> PowerState:
        with self._system.talking("read the power state"):
            document = self._system.document()
        return power_told(self.address, document)

    def request_power(self, action: PowerAction) -> None:
        with self._system.talking(f"ask for power {action}"):
            wanted = action if action is PowerAction.ON else fitting(action, self.power_state())
            if wanted is not None:
                self._reset(wanted)

    def set_boot_device(
        self, device: BootDevice, mode: BootMode | None = None, *, always: bool = False
    ) -> None:
        with self._system.talking(f"set the boot device to {device}"):
            if not (device is BootDevice.CDROM and self._boots_virtual_cd()):
                boot.set_device(self._system, device, mode, always=always)

    def _boots_virtual_cd(self) -> bool:
        """Where that is the maker's own action, and an image is there to boot from."""
        by_oem = Quirk.MEDIA_BY_OEM in self._system.quirks
        return by_oem and self.media.holds_image() and dell.boot_virtual_cd(self._system)

    def boot_device(self) -> BootDevice | None:
        with self._system.talking("read the boot device"):
            return boot.read_device(self._system)

    def boot_mode(self) -> BootMode | None:
        """The firmware that runs, where the BMC tells (Boot.BootSourceOverrideMode)."""
        with self._system.talking("read the boot mode"):
            return boot.read_mode(self._system.document())

    def macs(self) -> tuple[str, ...]:
        """As the system's EthernetInterfaces tell; where it has none, as its network adapters do."""
        with self._system.talking("read the NIC addresses"):
            nics = self._system.documents.members(link(self._system.document(), "EthernetInterfaces"))
            found = [mac for _, document in nics if (mac := _mac(document))]
        found = found or [nic.mac for nic in self.inventory().nics if nic.mac]
        return tuple(dict.fromkeys(found))

    def inventory(self) -> Inventory:
        """Every part that the service tells of to this user; others may ask between two of its documents."""

        def get(path: str) -> Document | None:
            with self._system.talking("read its inventory"):
                return self._system.get(local(path))

        return read_inventory(get, self._system.path)

    def abilities(self) -> Mapping[Interface, Ability]:
        """Found once; asked again where the BMC was not to be asked just now."""
        if self._abilities is None:
            found, lasting = find_abilities(self, self._system)
            self._abilities = found if lasting else None
            return found
        return self._abilities

    def close(self) -> None:
        self._system.close()

    def _chosen_path(self) -> str:
        return chosen_path(self.address, self._systems())

    def _systems(self) -> list[str]:
        collection = link(self._system.service.root, "Systems")
        if collection is None:
            raise self._system.lacks("systems")
        self._system.documents.read(collection)
        return self._system.documents.paths(collection)

    def _reset(self, action: PowerAction) -> None:
        document = self._system.document()
        target = self._system.action(document, _RESET)
        if target is None:
            raise self._system.lacks("power control")
        kind = self._allowed(action, self._system.allowed(document, _RESET, "ResetType"))
        try:
            self._system.post(target, {"ResetType": kind})
        except seen.HTTPError:
            if fitting(action, self.power_state()) is not None:
                raise

    def _allowed(self, action: PowerAction, allowed: tuple[str, ...]) -> str:
        """The first of what we want that this BMC allows; the first of all where it does not tell."""
        for kind in _RESETS[action]:
            if kind in allowed or not allowed:
                return kind
        words = (f"it allows only {', '.join(sorted(allowed))}", "use one of these")
        raise Unsupported.at(self.address, f"ask for power {action}", *words)

    def _bmc_firmware(self) -> str | None:
        versions = (told(manager.get("FirmwareVersion")) for _, manager in self._system.managers())
        return next((version for version in versions if version), None)


def power_told(address: BMCAddress, document: Document) -> PowerState:
    """Raises `Unsupported` where the system tells none."""
    state = _power(document)
    if state is None:
        value = document.get("PowerState")
        words = "it tells none" if value is None else f"it tells {value!r}, which is no state of a machine"
        raise Unsupported.at(address, "read the power state", words, "update its firmware")
    return state


def chosen_path(address: BMCAddress, paths: list[str]) -> str:
    """The system that the address names, or the only one."""
    if address.path is None and len(paths) == 1:
        return paths[0]
    for path in paths:
        if address.path is not None and path.rstrip("/") == address.path.rstrip("/"):
            return path
    raise _no_system(address, paths)


def _no_system(address: BMCAddress, paths: list[str]) -> BMCError:
    if not paths:
        return ProtocolError.at(address, "find the machine", "it lists no system", "reset the BMC")
    problem = f"it has no {address.path}" if address.path else f"there are {len(paths)} systems behind it"
    choices = tuple(replace(address, path=p.rstrip("/")) for p in paths)
    advice = f"use one of {', '.join(map(str, choices))}"
    error = SeveralSystems.at(address, "choose the machine", problem, advice)
    error.choices = choices
    return error


def _power(document: Document) -> PowerState | None:
    value = document.get("PowerState")
    return _POWER.get(value.lower()) if isinstance(value, str) else None


def _mac(nic: Document) -> str | None:
    return normal_mac(nic.get("PermanentMACAddress")) or normal_mac(nic.get("MACAddress"))
