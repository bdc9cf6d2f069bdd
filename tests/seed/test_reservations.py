from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from seed_machine import Machine
from seed_world import World

from seed.reservations import Reservations


def test_every_known_mac_gets_an_answer_and_the_declared_address(world: World) -> None:
    world.at("available")
    reloads: list[str] = []
    path = world.folder / "hosts"
    reservations = Reservations(world.store, path, lambda: reloads.append(path.read_text()))
    reservations.refresh()
    assert path.read_text() == "52:54:00:00:00:01,node-1\n"
    reservations.refresh()
    assert len(reloads) == 1

    world.declare({"match": {"name": "node-1"}, "address": "10.0.0.50"})
    reservations.refresh()
    assert reloads == ["52:54:00:00:00:01,node-1\n", "52:54:00:00:00:01,10.0.0.50,node-1\n"]


def test_two_workers_write_one_file(world: World) -> None:
    """Both stage under one name; without a lock one finds its staged file gone."""
    path = world.folder / "hosts"
    reservations = Reservations(world.store, path, lambda: None)
    start = threading.Barrier(4)

    def enroll(number: int) -> None:
        start.wait()
        for step in range(5):
            world.at("available", Machine(10 * number + step))
            reservations.refresh()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(enroll, range(1, 5)))
    assert len(path.read_text().splitlines()) == 20


def test_keeping_up_looks_only_when_something_happened(world: World) -> None:
    world.at("available")
    reloads: list[str] = []
    path = world.folder / "hosts"
    reservations = Reservations(world.store, path, lambda: reloads.append(path.read_text()))
    reservations.keep_up()
    with world.store.write() as tx:
        tx.nodes.update(world.node().uuid, name="renamed")  # as nobody does: without an event
    reservations.keep_up()
    assert path.read_text() == "52:54:00:00:00:01,node-1\n"
    with world.store.write() as tx:
        tx.events.add("node.changed", "renamed")
    reservations.keep_up()
    assert path.read_text() == "52:54:00:00:00:01,renamed\n"
    assert len(reloads) == 2
    path.unlink()
    reservations.keep_up()
    assert path.read_text() == "52:54:00:00:00:01,renamed\n"


def test_the_address_goes_to_the_nic_that_was_seen_booting(world: World) -> None:
    world.at("available", macs=("52:54:00:00:00:0a", "52:54:00:00:00:0b"))
    world.declare({"match": {"name": "node-1"}, "address": "10.0.0.50"})
    path = world.folder / "hosts"
    reservations = Reservations(world.store, path, lambda: None)
    reservations.refresh()
    assert path.read_text() == "52:54:00:00:00:0a,10.0.0.50,node-1\n52:54:00:00:00:0b,node-1\n"
    inventory = world.node().inventory
    assert inventory is not None
    with world.store.write() as tx:
        tx.nodes.update(world.node().uuid, inventory=replace(inventory, boot_mac="52:54:00:00:00:0b"))
    reservations.refresh()
    assert path.read_text() == "52:54:00:00:00:0a,node-1\n52:54:00:00:00:0b,10.0.0.50,node-1\n"
