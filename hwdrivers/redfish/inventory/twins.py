"""PCIe devices that are drives, controllers or adapters told elsewhere, without a link that says so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from hwdrivers.inventory import Controller, Device, Disk
from hwdrivers.redfish.inventory.found import Found
from hwdrivers.redfish.inventory.resource import Resource
from hwdrivers.redfish.inventory.storage import Storage


class Told:
    """The parts that are in other lists already."""

    def __init__(self, storage: Storage, adapters: Sequence[Found[Device]]) -> None:
        stored: list[Found[Controller] | Found[Disk]] = [*storage.controllers, *storage.disks]
        self.keys = frozenset(key for found in (*stored, *adapters) for key in found.keys)
        # A serial number that several parts share is the one of their board, or of a mockup.
        serials = Counter(found.part.serial for found in (*stored, *adapters))
        self._serials = {serial for serial, times in serials.items() if serial and times == 1}
        self._stored = {found.part.model for found in stored if found.part.model}
        self._adapters = {(found.part.vendor, _version(found.part.firmware)) for found in adapters}

    def has(self, device: Device, item: Resource) -> bool:
        """iDRAC 9 links neither drives nor adapters to their PCIe devices, iLO 5 no controllers.

        AMI's BMCs tell the PCI class of a device alone, and Cisco CIMC another name than in Storage.
        """
        if device.serial in self._serials:
            return True
        vague = not item.first("SerialNumber", "Manufacturer")
        if device.kind == "MassStorageController":
            return self._is_stored(device.model) or (vague and bool(self._stored))
        if device.kind != "NetworkController" or device.serial:
            return False
        alike = device.firmware is not None and (device.vendor, _version(device.firmware)) in self._adapters
        return alike or (device.model is None and vague and bool(self._adapters))

    def _is_stored(self, model: str | None) -> bool:
        """iDRAC 9 tells "Dell Ent NVMe v2 ..." of a drive and "Ent NVMe v2 ..." of its device."""
        return model is not None and any(model in other for other in self._stored)


def _version(firmware: str | None) -> str:
    """iDRAC 9 tells 22.0.6 of an adapter and 22.00.6 of its device."""
    return re.sub(r"\b0+(?=\d)", "", firmware or "")
