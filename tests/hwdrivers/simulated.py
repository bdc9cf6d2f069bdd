"""The simulated fleet for tests of drivers: endpoints of its BMCs.

with Simulation(Settings(bmcs=10)) as fleet:
    endpoint = ipmi(fleet)                 # of the first BMC, with the right password
    endpoint = redfish(fleet, 3)           # of the fourth
    endpoint = ipmi(fleet, 0, password="wrong")
"""

from __future__ import annotations

from typing import Any

from peers import endpoint
from vmlab.simulator import Settings, Simulation

from hwdrivers.bmc import Endpoint

__all__ = ["Settings", "Simulation", "ipmi", "redfish"]


def ipmi(fleet: Simulation, number: int = 0, **credentials: Any) -> Endpoint:
    return endpoint(fleet.ipmi(fleet.addresses[number]), **_right(fleet, credentials))


def redfish(fleet: Simulation, number: int = 0, **credentials: Any) -> Endpoint:
    return endpoint(fleet.redfish(fleet.addresses[number]), **_right(fleet, credentials))


def _right(fleet: Simulation, credentials: dict[str, Any]) -> dict[str, Any]:
    settings = fleet.settings
    return {"username": settings.username, "password": settings.password, **credentials}
