"""What a machine is made of, read from the documents of a Redfish service (DSP0268), whoever wrote them."""

from hwdrivers.redfish.inventory.service import read_inventory, read_service

__all__ = ["read_inventory", "read_service"]
