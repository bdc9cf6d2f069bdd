"""Every operation by its name, as the API has it."""

from __future__ import annotations

from collections.abc import Mapping

from seed.operations import bios, boot_device, event_log, firmware, led, media, power, raid, sensors
from seed.operations.operation import Operation

OPERATIONS: Mapping[str, Operation] = {
    "power-status": power.STATUS,
    "boot-device": boot_device.SHOW,
    "boot-device-set": boot_device.SET,
    "sensors": sensors.READ,
    "sel": event_log.READ,
    "sel-clear": event_log.CLEAR,
    "led": led.STATUS,
    "led-set": led.SET,
    "media": media.LIST,
    "media-attach": media.ATTACH,
    "media-detach": media.DETACH,
    "bios": bios.GET,
    "firmware": firmware.LIST,
    "raid": raid.SHOW,
    "raid-plan": raid.PLAN,
}
