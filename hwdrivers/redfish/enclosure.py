"""A Redfish service that manages no system: a power shelf, a PDU, an enclosure."""

from __future__ import annotations

from hwdrivers.bmc import Endpoint
from hwdrivers.inventory import Inventory
from hwdrivers.pace import UNPACED
from hwdrivers.redfish.connector import READ_TIMEOUT
from hwdrivers.redfish.documents import Document, local
from hwdrivers.redfish.inventory import read_enclosures_alone
from hwdrivers.redfish.system import System


def read_enclosure(endpoint: Endpoint) -> Inventory:
    """Its chassis, power supplies and managers; raises BMCError."""
    conversation = System(endpoint, UNPACED, READ_TIMEOUT)

    def get(path: str) -> Document | None:
        with conversation.talking("read its chassis"):
            return conversation.get(local(path))

    try:
        with conversation.talking("log in"):
            conversation.log_in()
        return read_enclosures_alone(get)
    finally:
        conversation.close()
