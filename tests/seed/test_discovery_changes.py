"""What the next discovery says that has changed; what a node, a twin or a second protocol makes of a row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from found_rack import Rack, discover, rows
from seed_machine import PASSWORD, Machine
from seed_world import World

from hwdrivers.bmc import Endpoint, Identity, PowerState
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import SeveralSystems
from hwdrivers.fake import FakeBMC, Fault

UUID = "4c4c4544-0042-3510-8052-b4c04f4d4c32"
LOGIN = Credentials("admin", Secret(PASSWORD))


def bmc(number: int, *, serial: str | None = "", scheme: str = "ipmi", uuid: str | None = None) -> FakeBMC:
    told = f"SERIAL-{number}" if serial == "" else serial
    identity = Identity(vendor="Acme", model="R1", serial=told, uuid=uuid, firmware="1.0")
    return FakeBMC(f"{scheme}://192.0.2.{number}", credentials=LOGIN, identity=identity)


def changes(documents: list[dict[str, Any]]) -> dict[str, str | None]:
    """By address, with those that are gone."""
    gone = [document["gone"] for document in documents if "gone" in document]
    return {row["address"]: row["change"] for row in (*rows(documents), *gone)}


def test_only_what_changed_is_told_the_second_time(world: World) -> None:
    rack = Rack(bmc(1), bmc(2), bmc(3))
    assert set(changes(discover(world, rack)).values()) == {"new"}
    assert set(changes(discover(world, rack)).values()) == {None}
    first, second, third = rack.bmcs
    first._identity = replace(first._identity, firmware="1.1")
    second.power = PowerState.ON
    rack.dark = {third}
    assert changes(discover(world, rack)) == {
        "ipmi://192.0.2.1": "firmware: 1.0 → 1.1",
        "ipmi://192.0.2.2": "power: power off → power on",
        "ipmi://192.0.2.3": "gone",
    }
    assert changes(discover(world, rack)) == {"ipmi://192.0.2.1": None, "ipmi://192.0.2.2": None}
    rack.dark = set()
    assert changes(discover(world, rack))["ipmi://192.0.2.3"] == "is back"


def test_only_who_was_asked_can_be_gone(world: World) -> None:
    rack = Rack(bmc(1), bmc(2, scheme="redfish"))
    discover(world, rack)
    rack.dark = set(rack.bmcs)
    assert changes(discover(world, rack, ranges=["192.0.2.8/29"])) == {}
    assert changes(discover(world, rack, exclude=["192.0.2.1-2"])) == {}
    assert changes(discover(world, rack, protocol="ipmi")) == {"ipmi://192.0.2.1": "gone"}
    assert changes(discover(world, rack, protocol="redfish")) == {"redfish+https://192.0.2.2": "gone"}


def test_who_moved_is_neither_new_nor_gone(world: World) -> None:
    discover(world, Rack(bmc(1), bmc(2)))
    again = discover(world, Rack(bmc(7, serial="SERIAL-1"), bmc(2)))
    assert changes(again) == {"ipmi://192.0.2.7": "moved from ipmi://192.0.2.1", "ipmi://192.0.2.2": None}
    assert set(changes(discover(world, Rack(bmc(7, serial="SERIAL-1"), bmc(2)))).values()) == {None}


def test_another_machine_at_the_same_address_is_told_by_its_serial(world: World) -> None:
    discover(world, Rack(bmc(1)))
    assert changes(discover(world, Rack(bmc(1, serial="OTHER")))) == {
        "ipmi://192.0.2.1": "serial: SERIAL-1 → OTHER"
    }


def test_a_look_without_a_log_in_forgets_nothing(world: World) -> None:
    rack = Rack(bmc(1))
    discover(world, rack)
    (row,) = rows(discover(world, rack, credentials=[]))
    assert (row["vendor"], row["serial"], row["outcome"], row["change"]) == ("Scanned", None, "found", None)
    with world.store.read() as tx:
        (kept,) = tx.discovered.all().values()
    assert (kept.body["serial"], kept.body["login"]) == ("SERIAL-1", "rack")
    assert rack.bmcs[0].logins == ["admin"]


def test_two_protocols_at_two_addresses_are_one_row_by_serial_or_uuid(world: World) -> None:
    spelled_by_ipmi = "44454c4c-4200-1035-8052-b4c04f4d4c32"
    rack = Rack(
        bmc(1),
        bmc(2, serial="SERIAL-1", scheme="redfish"),
        bmc(3, serial=None, uuid=UUID, scheme="redfish"),
        bmc(4, serial=None, uuid=spelled_by_ipmi),
        bmc(5, serial="SERIAL-6", scheme="redfish"),
        bmc(6, serial="SERIAL-6", scheme="redfish"),
    )
    documents = discover(world, rack, enroll=True)
    with world.store.read() as tx:
        nodes = {node.bmc for node in tx.nodes.all()}
    # By then the first of the two may have been enrolled, and its row stays where its node is.
    pairs = [
        {"ipmi://192.0.2.1", "redfish+https://192.0.2.2"},
        {"redfish+https://192.0.2.3", "ipmi://192.0.2.4"},
    ]
    last = {frozenset([row["address"], *row["also"]]): row for row in rows(documents) if row["also"]}
    assert set(last) == {frozenset(pair) for pair in pairs}
    for pair in pairs:
        assert len(nodes & pair) == 1
        assert last[frozenset(pair)]["protocols"] in (["IPMI", "Redfish"], ["Redfish", "IPMI"])
    # The same protocol twice is two machines, and the second is not enrolled under a serial that is taken.
    twins = {row["address"]: row["outcome"] for row in rows(documents) if row["serial"] == "SERIAL-6"}
    assert sorted(twins.values()) == ["conflict", "enrolled"]


def test_a_machine_that_moved_is_not_enrolled_again(world: World) -> None:
    discover(world, Rack(bmc(1)), enroll=True)
    (row,) = rows(discover(world, Rack(bmc(7, serial="SERIAL-1")), enroll=True))
    assert row["outcome"] == "conflict"
    assert "serial SERIAL-1 is node 'bmc-192-0-2-1' already, whose BMC is ipmi://192.0.2.1" in row["error"]


class Enclosure(FakeBMC):
    """One service for two systems."""

    def connect(self, endpoint: Endpoint) -> FakeBMC:
        bmc = super().connect(endpoint)
        if endpoint.address.path is None:
            error = SeveralSystems.at(endpoint.address, "choose", "there are 2 systems", "use one")
            paths = ("/redfish/v1/Systems/A", "/redfish/v1/Systems/B", "/elsewhere")
            error.choices = tuple(replace(endpoint.address, path=path) for path in paths)
            raise error
        system = endpoint.address.path[-1]
        self._identity = Identity(vendor="Acme", serial=f"S-{system}")
        return bmc


def test_several_systems_behind_one_bmc_are_several_rows(world: World) -> None:
    enclosure = Enclosure("redfish://192.0.2.1", credentials=LOGIN)
    rack = Rack(enclosure)
    for system in "AB":
        rack.rack.bmcs[f"redfish+https://192.0.2.1/redfish/v1/Systems/{system}"] = enclosure
    (alone,) = rows(discover(world, rack, credentials=[]))
    assert alone["address"] == "redfish+https://192.0.2.1"
    first, second = rows(discover(world, rack, enroll=True))
    assert (first["address"], first["serial"]) == ("redfish+https://192.0.2.1/redfish/v1/Systems/A", "S-A")
    assert (second["serial"], second["node"]) == ("S-B", "bmc-192-0-2-1-b")
    again = discover(world, rack)
    assert {row["outcome"] for row in rows(again)} == {"known"}
    assert set(changes(again).values()) == {None}
    rack.dark = {enclosure}
    assert list(changes(discover(world, rack)).values()) == ["gone", "gone"]


def test_a_discovery_that_is_stopped_keeps_what_it_found(world: World) -> None:
    rack = Rack(bmc(1), bmc(2))
    seen: list[bool] = []

    def ended() -> bool:
        seen.append(True)
        return len(seen) > 3

    discover(world, rack, ended=ended)
    rack.dark = set(rack.bmcs)
    with world.store.read() as tx:
        assert list(tx.discovered.all()) == ["ipmi://192.0.2.1", "ipmi://192.0.2.2"]


def test_a_node_is_asked_with_its_own_log_in(world: World) -> None:
    machine = Machine(1)
    machine.bmc.credentials = Credentials("own", Secret("its own"))
    with world.store.write() as tx:
        tx.credentials.put("own", machine.bmc.credentials)
    world.enroll(machine, credentials="own")
    (row,) = rows(discover(world, Rack(machine.bmc), credentials=[]))
    assert (row["login"], row["serial"], row["outcome"]) == ("own", "SERIAL-1", "known")
    (row,) = rows(discover(world, Rack(machine.bmc)))
    assert (row["login"], machine.bmc.logins) == ("own", ["own", "own"])


def test_a_bmc_that_fails_is_a_row_with_its_words(world: World) -> None:
    broken = bmc(1)
    broken.faults = {Fault.TIME_OUT}
    first, second = rows(discover(world, Rack(broken, bmc(2))))
    assert (first["outcome"], first["serial"]) == ("failed", None)
    assert "no answer" in first["error"]
    assert second["outcome"] == "found"
