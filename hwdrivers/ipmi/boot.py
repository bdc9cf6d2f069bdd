"""The device that firmware tries first (IPMI 2.0 sections 28.12 to 28.14)."""

from __future__ import annotations

import contextlib

from hwdrivers.bmc import BootDevice, BootMode
from hwdrivers.errors import Unsupported
from hwdrivers.ipmi.kept_session import KeptSession

_CHASSIS = 0x00  # network function
_SET, _GET = 0x08, 0x09

# Boot flags, table 28-14 parameter 5: data 1 (0x80 valid, 0x40 for all future boots, 0x20 EFI), data 2.
# PXE and CD once: a machine must not fall into a network boot for ever when the seed is gone, and what was
# installed must not be wiped by a boot nobody asked for. The disk for good: a deployed host comes up from its
# disk after a power failure whatever the firmware's own order says. The EFI bit only when it is asked for:
# firmware in the field ignores its absence, and setting it on a BIOS machine stops the boot.
_FLAGS = {BootDevice.PXE: (0x80, 0x04), BootDevice.DISK: (0xC0, 0x08), BootDevice.CDROM: (0x80, 0x14)}
_VALID, _ALWAYS, _EFI = 0x80, 0x40, 0x20
# Data 2, bits 5 to 2; 3: disk in safe mode, 8: remote CD, 11: remote disk.
_DEVICES = {
    1: BootDevice.PXE,
    2: BootDevice.DISK,
    3: BootDevice.DISK,
    5: BootDevice.CDROM,
    8: BootDevice.CDROM,
    11: BootDevice.DISK,
}


def set_boot_device(bmc: KeptSession, device: BootDevice, mode: BootMode | None, *, always: bool) -> None:
    what = f"set the boot device to {device}"
    with contextlib.suppress(Unsupported):
        # Parameter 3: keep the flags when no chassis control follows within 60 s.
        bmc.ask(what, _CHASSIS, _SET, (3, 0x08))
    flags, selector = _FLAGS[device]
    if always:
        flags |= _ALWAYS
    if mode is BootMode.UEFI:
        flags |= _EFI
    bmc.ask(what, _CHASSIS, _SET, (5, flags, selector, 0, 0, 0))


def boot_device(bmc: KeptSession) -> BootDevice | None:
    """None: nothing is set, or what was set is used up."""
    try:
        flags = bmc.ask("read the boot device", _CHASSIS, _GET, (5, 0, 0))
    except Unsupported:
        return None
    # Version of the parameters, number of this one, then its data.
    if len(flags) < 4 or not flags[2] & _VALID:
        return None
    return _DEVICES.get(flags[3] >> 2 & 0x0F)
