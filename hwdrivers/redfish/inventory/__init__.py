"""What a machine is made of, read from the documents of a Redfish service (DSP0268), whoever wrote them."""

from hwdrivers.redfish.inventory.service import read_enclosures_alone, read_inventory

__all__ = ["read_enclosures_alone", "read_inventory"]
