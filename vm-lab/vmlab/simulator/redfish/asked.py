"""One request to a simulated Redfish service, once it is clear who asks."""

from __future__ import annotations

from dataclasses import dataclass

from vmlab.simulator.machine import Machine
from vmlab.simulator.redfish.documents import Documents


@dataclass(slots=True)
class Asked:
    """`path`: without query and slash at its end; `now`: seconds of the fleet's clock."""

    machine: Machine
    path: str
    now: float
    documents: Documents
