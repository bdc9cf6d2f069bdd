"""BMCs in memory that a scan finds, and what a discovery makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from seed_machine import PASSWORD
from seed_world import World

from hwdrivers.credentials import Credentials, Secret
from hwdrivers.fake import FakeBMC, FakeRack
from hwdrivers.scan import Finding, Settled
from seed.bmcs import BMCs
from seed.declarations import Declarations
from seed.discovery import Discovery, Wish


class Rack:
    """BMCs that a scan finds and that can be asked who they are. Those that are `dark` are not found."""

    def __init__(self, *bmcs: FakeBMC) -> None:
        self.bmcs = bmcs
        self.dark: set[FakeBMC] = set()
        self.rack = FakeRack(*bmcs)

    async def find(
        self, targets: Any, plan: Any, *, progress: Callable[[int, int], None]
    ) -> AsyncIterator[Finding | Settled]:
        for number, bmc in enumerate(self.bmcs, 1):
            progress(number, len(self.bmcs))
            address = bmc.address
            protocol = "Redfish" if address.is_redfish else "IPMI"
            asked = plan.redfish_ports if address.is_redfish else plan.ipmi_ports
            if bmc not in self.dark and address.host in {str(target) for target in targets} and asked:
                yield Finding(address, protocol, "Scanned", None, f"{protocol} 2.0")
        for protocol in ("IPMI", "Redfish"):
            yield Settled(None, protocol)


def discover(
    world: World,
    rack: Rack,
    *,
    enroll: bool = False,
    password: str = PASSWORD,
    ended: Callable[[], bool] = lambda: False,
    **wish: Any,
) -> list[dict[str, Any]]:
    """All documents of a discovery of 192.0.2.0/28 with the credentials "rack"."""
    with world.store.write() as tx:
        tx.credentials.put("rack", Credentials("admin", Secret(password)))
    discovery = Discovery(
        world.store, Declarations(world.store), BMCs(world.store, rack.rack.connect), find=rack.find
    )
    more = {"ranges": ["192.0.2.0/28"], "credentials": ["rack"], **wish}
    return list(discovery.run(discovery.prepare(Wish(enroll=enroll, **more)), "alice", ended))


def rows(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last word on each machine, by address."""
    found = {d["machine"]["address"]: d["machine"] for d in documents if "machine" in d}
    return [found[address] for address in sorted(found)]
