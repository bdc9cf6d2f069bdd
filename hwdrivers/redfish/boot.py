"""What firmware tries first: the Boot section of a ComputerSystem (DSP0268)."""

from __future__ import annotations

from sushy import exceptions as seen

from hwdrivers.bmc import BootDevice, BootMode
from hwdrivers.errors import Unsupported
from hwdrivers.interfaces import Ability
from hwdrivers.redfish.documents import Document, link, section, texts
from hwdrivers.redfish.quirks import Quirk
from hwdrivers.redfish.system import System

_TARGET, _ENABLED, _MODE = "BootSourceOverrideTarget", "BootSourceOverrideEnabled", "BootSourceOverrideMode"
_ALLOWED = "@Redfish.AllowableValues"
# PXE and CD once, the disk for good: a machine must not fall into a network boot for ever when the seed is
# gone, nor be wiped by a boot that nobody asked for; and a deployed host comes up from its disk after a power
# failure whatever the firmware's own order says. sushy-tools 2.2.0 stores Once as Continuous: whoever has
# booted from the network once must set the disk, which real machines need as well to come back to it.
_TARGETS = {
    BootDevice.PXE: (("Pxe",), "Once"),
    BootDevice.DISK: (("Hdd",), "Continuous"),
    BootDevice.CDROM: (("Cd", "UsbCd"), "Once"),
}
_USB_FIRST = {BootDevice.CDROM: ("UsbCd", "Cd")}
_UEFI_FIRST = {BootDevice.DISK: ("UefiHdd", "Hdd"), BootDevice.CDROM: ("UefiUsbCd", "UsbCd", "UefiCd", "Cd")}
_DEVICES = {
    "Pxe": BootDevice.PXE,
    "UefiHttp": BootDevice.PXE,
    "Hdd": BootDevice.DISK,
    "UefiHdd": BootDevice.DISK,
    "Cd": BootDevice.CDROM,
    "UsbCd": BootDevice.CDROM,
    "UefiCd": BootDevice.CDROM,
    "UefiUsbCd": BootDevice.CDROM,
}
MODES = {"UEFI": BootMode.UEFI, "Legacy": BootMode.BIOS}
_MODE_NAMES = {mode: name for name, mode in MODES.items()}
# AMI's firmware says so where it takes boot settings in its settings object only (see quirks).
_MOVED = "OperationSupportedInFutureStateURI"


def read_device(system: System) -> BootDevice | None:
    _, _, boot = _boot(system)
    target = boot.get(_TARGET)
    if boot.get(_ENABLED) == "Disabled" or not isinstance(target, str):
        return None
    return _DEVICES.get(target)


def read_mode(document: Document) -> BootMode | None:
    mode = section(document, "Boot").get(_MODE)
    return MODES.get(mode) if isinstance(mode, str) else None


def set_device(system: System, device: BootDevice, mode: BootMode | None, *, always: bool) -> None:
    settings, future, boot = _boot(system)
    body: Document = {_TARGET: _target(system, boot, device, mode)}
    enabled = _enabled(boot, "Continuous" if always else _TARGETS[device][1])
    if Quirk.SEND_BOOT_ENABLED in system.quirks or boot.get(_ENABLED) != enabled:
        body[_ENABLED] = enabled
    always = Quirk.SEND_BOOT_MODE in system.quirks and isinstance(boot.get(_MODE), str)
    if always or (mode is not None and boot.get(_MODE) != _MODE_NAMES[mode]):
        body[_MODE] = _MODE_NAMES[mode] if mode else boot[_MODE]
    later = {name: value for name, value in body.items() if name in future or _TARGET in future}
    now = {name: value for name, value in body.items() if name not in later}
    for path, part in ((settings, later), (system.path, now)):
        if part:
            _send(system, path, part)


def _boot(system: System) -> tuple[str, Document, Document]:
    """The settings object and what it takes (AMI: all; iDRAC 10: the mode only), and both sections as one."""
    document = system.document()
    settings = link(document, "@Redfish.Settings", "SettingsObject") or system.path
    future = section(system.get(settings), "Boot") if settings != system.path else {}
    told = {name: value for name, value in future.items() if value is not None}
    return settings, future, {**section(document, "Boot"), **told}


def _target(system: System, boot: Document, device: BootDevice, mode: BootMode | None) -> str:
    wanted = _TARGETS[device][0]
    if Quirk.MEDIA_IS_USB in system.quirks:
        wanted = _USB_FIRST.get(device, wanted)
    if Quirk.UEFI_TARGETS in system.quirks and (mode or MODES.get(str(boot.get(_MODE)))) is BootMode.UEFI:
        wanted = _UEFI_FIRST.get(device, wanted)
    allowed = texts(boot.get(_TARGET + _ALLOWED))
    for target in wanted:
        if target in allowed or not allowed:
            return target
    advice = f"it allows only {', '.join(sorted(allowed))}"
    raise Unsupported.at(system.address, f"boot from {device}", advice, "use one of these")


def _enabled(boot: Document, wanted: str) -> str:
    """How long it counts; some have no Continuous any more, some nothing else."""
    allowed = texts(boot.get(_ENABLED + _ALLOWED))
    if allowed and wanted not in allowed:
        return "Once" if wanted == "Continuous" else "Continuous"
    return wanted


def _send(system: System, path: str, body: Document) -> None:
    try:
        system.patch(path, {"Boot": body})
    except seen.HTTPError as error:
        if _MOVED in str(error.extended_info) and path == system.path:
            system.patch(f"{path.rstrip('/')}/SD", {"Boot": body})
        elif error.status_code != 400:
            raise
        elif body.get(_ENABLED) == "Continuous":
            # DSP0268 has deprecated it, and some refuse it: once is better than not at all.
            _send(system, path, {**body, _ENABLED: "Once"})
        elif not _is_so(system, path, body):
            raise


def _is_so(system: System, path: str, body: Document) -> bool:
    """Whether it has done what it refused."""
    boot = section(system.get(path), "Boot")
    return all(boot.get(name) == value for name, value in body.items())


def ability(document: Document) -> Ability:
    boot = section(document, "Boot")
    if _TARGET not in boot:
        return Ability(False, "its system tells no boot settings")
    names = {_DEVICES[name] for name in texts(boot.get(_TARGET + _ALLOWED)) if name in _DEVICES}
    return Ability(True, ", ".join(device for device in BootDevice if device in names))


def mode_ability(document: Document) -> Ability:
    mode = read_mode(document)
    told = section(document, "Boot").get(_MODE) is not None
    return Ability(told, f"now {mode}" if mode else "" if told else "its system does not tell the boot mode")
