"""What a discovery tells and enrols, over a rack in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from found_rack import Rack, discover, rows
from seed_machine import Machine
from seed_world import World

from hwdrivers.scan import Finding


def test_what_is_found_is_told_and_not_enrolled(world: World) -> None:
    rack = Rack(Machine(1).bmc, Machine(2).bmc)
    documents = discover(world, rack, enroll=False)
    assert documents[0] == {"progress": {"probed": 1, "total": 2, "found": 0}}
    first, second = rows(documents)
    assert (first["address"], first["vendor"], first["serial"]) == ("ipmi://192.0.2.1", "Acme", "SERIAL-1")
    assert {first["outcome"], second["outcome"]} == {"found"}
    with world.store.read() as tx:
        assert tx.nodes.all() == []


def test_what_is_found_is_enrolled_once(world: World) -> None:
    machine = Machine(1)
    rack = Rack(machine.bmc, Machine(2).bmc)
    world.enroll(machine)
    first, second = rows(discover(world, rack, enroll=True))
    assert (first["outcome"], first["node"]) == ("known", "node-1")
    assert (second["outcome"], second["node"]) == ("enrolled", "bmc-192-0-2-2")
    with world.store.read() as tx:
        node = tx.nodes.get("bmc-192-0-2-2")
    assert (node.state, node.serial, node.credentials) == ("enroll", "SERIAL-2", "rack")
    assert {row["outcome"] for row in rows(discover(world, rack, enroll=True))} == {"known"}
    assert "ipmi://192.0.2.2 enrolled by alice" in world.said("node.enrolled")


def test_a_declared_name_is_given_at_once(world: World) -> None:
    world.declare({"match": {"serial": "SERIAL-2"}, "name": "web-2"})
    (row,) = rows(discover(world, Rack(Machine(2).bmc), enroll=True))
    assert (row["outcome"], row["node"]) == ("enrolled", "web-2")


def test_a_conflict_is_a_row_and_stops_nothing(world: World) -> None:
    world.enroll(Machine(3), name="web-2")
    world.declare({"match": {"serial": "SERIAL-1"}, "name": "web-2"})
    first, second = rows(discover(world, Rack(Machine(1).bmc, Machine(2).bmc), enroll=True))
    assert first["outcome"] == "conflict"
    assert "web-2" in first["error"]
    assert second["outcome"] == "enrolled"


def test_a_wrong_password_is_tried_once_at_each_bmc_and_enrols_nothing(world: World) -> None:
    rack = Rack(Machine(1).bmc, Machine(2).bmc)
    for row in rows(discover(world, rack, enroll=True, password="wrong")):
        assert row["outcome"] == "refused"
        assert "wrong password" in row["error"]
    assert [bmc.logins for bmc in rack.bmcs] == [["admin"], ["admin"]]
    with world.store.read() as tx:
        assert tx.nodes.all() == []


def test_a_scan_that_breaks_ends_the_discovery(world: World) -> None:
    class Broken(Rack):
        async def find(self, targets: Any, plan: Any, *, progress: Any) -> AsyncIterator[Finding]:
            progress(1, 2)
            raise OSError("no such interface")
            yield

    with pytest.raises(OSError, match="no such interface"):
        discover(world, Broken(), enroll=False)
