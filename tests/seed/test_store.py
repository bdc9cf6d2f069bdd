"""What the store promises on either database: one schema, no contradictions, each run to one worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from cryptography.fernet import Fernet
from seed_clock import MovedClock
from seed_machine import PASSWORD
from store_places import KEY, KINDS

from hwdrivers.address import BMCAddress
from hwdrivers.credentials import Credentials, Secret
from seed.declarations import new_node
from seed.errors import StoreFailed
from seed.model import Node, RunState
from seed.store import Store, tables
from seed.store.database import Intent
from seed.store.errors import Conflict, LeaseLost, NotFound, WrongKey
from seed.store.place import database

MAC = "52:54:00:00:00:01"
LEASE = timedelta(minutes=10)

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def where(new_store: Callable[[Path], Path | str], tmp_path: Path) -> Path | str:
    return new_store(tmp_path)


@pytest.fixture
def store(where: Path | str, clock: MovedClock) -> Iterator[Store]:
    store = Store(where, Fernet(KEY), clock=clock)
    yield store
    store.close()


def node(number: int = 1, *macs: str) -> Node:
    return new_node(BMCAddress.parse(f"ipmi://192.0.2.{number}"), "rack", f"node-{number}", macs)


def add(store: Store, *nodes: Node) -> None:
    with store.write() as tx:
        for each in nodes:
            tx.nodes.add(each)


def open_run(store: Store, owner: Node) -> int:
    with store.write() as tx:
        steps = ("verify_credentials",)
        return tx.runs.open(tx.runs.new(owner.uuid, "manage", "alice", steps, return_to="manageable")).id


def test_the_migrations_make_the_tables(where: Path | str, store: Store) -> None:
    store.migrate()  # a second time changes nothing
    with database(where).engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_seeds_that_start_together_make_one_schema(where: Path | str, store: Store) -> None:
    with database(where).engine.execution_options(intent=Intent.WRITE).begin() as connection:
        tables.metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
    start = threading.Barrier(4)

    def open_it(_number: int) -> None:
        other = Store(where, Fernet(KEY))
        start.wait()
        other.migrate()
        with other.write() as tx:
            tx.events.add("test", "up")
        other.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_it, range(4)))
    with store.read() as tx:
        assert len(tx.events.after(0)) == 4


def test_the_store_of_a_newer_release_is_refused_and_left_as_it_is(where: Path | str, store: Store) -> None:
    engine = database(where).engine.execution_options(intent=Intent.WRITE)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreFailed, match=r"is of a newer release \(revision 9999, this one knows 0"):
        store.migrate()
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "9999"


def test_sixty_four_workers_get_their_turn(store: Store, clock: MovedClock) -> None:
    add(store, *(node(number) for number in range(1, 33)))
    start = threading.Barrier(64)

    def work(worker: int) -> int:
        start.wait()
        for number in range(5):
            with store.write() as tx:
                tx.events.add("test", f"{worker}-{number}")
            with store.claim() as tx:
                tx.runs.claim(f"seed-{worker}", clock() + LEASE, 1)
            with store.read() as tx:
                seen = len(tx.nodes.all())
        return seen

    with ThreadPoolExecutor(64) as pool:
        assert set(pool.map(work, range(64))) == {32}
    with store.read() as tx:
        assert len(tx.events.after(0)) == 64 * 5


def test_nothing_is_left_of_a_transaction_that_fails(store: Store) -> None:
    first, second = node(1, MAC), node(2)
    add(store, first)
    with pytest.raises(Conflict, match=f"MAC {MAC} belongs to node 'node-1' already"), store.write() as tx:
        tx.nodes.add(second)
        tx.nodes.update(second.uuid, macs=("52:54:00:00:00:02", MAC))
    with store.read() as tx:
        assert tx.nodes.all() == [first]


@pytest.mark.parametrize(
    ("twin", "words"),
    [
        (node(2, MAC), "MAC 52:54:00:00:00:01 belongs to node 'node-1' already"),
        (node(2, MAC.upper()), "MAC 52:54:00:00:00:01 belongs to node 'node-1' already"),
        (replace(node(2), name="node-1"), "name node-1 is node 'node-1' already"),
        (replace(node(1), name="node-2"), "bmc ipmi://192.0.2.1 is node 'node-1' already"),
    ],
)
def test_a_second_node_of_one_mac_name_or_bmc_is_refused(store: Store, twin: Node, words: str) -> None:
    first = node(1, MAC)
    add(store, first)
    with pytest.raises(Conflict, match=words):
        add(store, twin)
    with store.read() as tx:
        assert tx.nodes.all() == [first]


def test_a_name_is_not_changed_to_one_that_is_taken(store: Store) -> None:
    first, second = node(1), node(2)
    add(store, first, second)
    with pytest.raises(Conflict, match="name node-1 is node 'node-1' already"), store.write() as tx:
        tx.nodes.update(second.uuid, name="node-1")
    with store.write() as tx:
        tx.nodes.update(second.uuid, name="node-2")  # its own


def test_macs_of_two_nodes_are_told_apart(store: Store) -> None:
    add(store, node(1, MAC), node(2, "52:54:00:00:00:02"))
    with store.read() as tx:
        assert tx.nodes.by_macs(["52:54:00:00:00:09"]) is None
        with pytest.raises(Conflict, match="node-1, node-2"):
            tx.nodes.by_macs([MAC, "52:54:00:00:00:02"])


def test_a_node_that_moved_meanwhile_is_not_moved_again(store: Store) -> None:
    stale = node()
    add(store, stale)
    with store.write() as tx:
        tx.nodes.move(stale, "verifying", "manageable")
    with pytest.raises(Conflict, match="not in state 'enroll' any more"), store.write() as tx:
        tx.nodes.move(stale, "active", None)
    with store.read() as tx:
        assert tx.nodes.get("node-1").state == "verifying"


def test_unknown_names_are_answered_with_those_that_there_are(store: Store) -> None:
    with store.read() as tx:
        with pytest.raises(NotFound, match="there are: none"):
            tx.nodes.get("x")
        with pytest.raises(NotFound, match="no credentials 'x'; there are: none"):
            tx.credentials.get("x")
    add(store, node())
    with store.read() as tx, pytest.raises(NotFound, match="there are: node-1"):
        tx.nodes.get("x")


def test_no_secret_is_kept_in_plain_text(where: Path | str, store: Store) -> None:
    add(store, node())
    with store.write() as tx:
        tx.credentials.put("rack", Credentials("admin", Secret(PASSWORD)))
        tx.secrets.put("node", "agent-token", Secret("a-token-of-an-agent"))
    with store.write() as tx:
        tx.secrets.put("node", "agent-token", Secret("another-token"))
    with store.read() as tx:
        assert tx.credentials.get("rack").password.reveal() == PASSWORD
    with database(where).engine.connect() as connection:
        content = "".join(
            str(connection.execute(sa.select(table)).all()) for table in tables.metadata.sorted_tables
        )
    assert "rack" in content
    for secret in (PASSWORD, "a-token-of-an-agent", "another-token"):
        assert secret not in content


def test_another_key_is_an_error_in_words(where: Path | str, store: Store) -> None:
    with store.write() as tx:
        assert not tx.secrets.prove_key()
        tx.credentials.put("rack", Credentials("admin", Secret(PASSWORD)))
        assert tx.secrets.prove_key()
    other = Store(where, Fernet(Fernet.generate_key()))
    with other.read() as tx:
        for read in (lambda: tx.credentials.get("rack"), tx.secrets.prove_key):
            with pytest.raises(WrongKey, match=r"'rack' of credentials .* another key") as caught:
                read()
            assert PASSWORD not in str(caught.value)
    other.close()


def test_a_run_is_claimed_once(store: Store, clock: MovedClock) -> None:
    owners = [node(number) for number in range(1, 5)]
    add(store, *owners)
    opened = {open_run(store, owner) for owner in owners}
    start = threading.Barrier(8)

    def claim(worker: int) -> list[int]:
        start.wait()
        claimed = []
        for _ in range(4):
            with store.claim() as tx:
                claimed += [each.run.id for each in tx.runs.claim(f"worker-{worker}", clock() + LEASE, 1)]
        return claimed

    with ThreadPoolExecutor(8) as pool:
        claimed = [run for found in pool.map(claim, range(8)) for run in found]
    assert sorted(claimed) == sorted(opened)


def test_a_node_has_one_run_at_a_time(store: Store) -> None:
    owner = node()
    add(store, owner)
    open_run(store, owner)
    with pytest.raises(Conflict, match=r"run 1 \(manage\) is under way"):
        open_run(store, owner)


def claimed(store: Store, seed: str, until: datetime, most: int = 10, **slots: int) -> list[str]:
    """The nodes whose runs `seed` gets."""
    with store.claim() as tx:
        nodes = {node.uuid: node.name for node in tx.nodes.all()}
        return [nodes[each.run.node] for each in tx.runs.claim(seed, until, most, slots)]


def test_a_saved_run_can_be_claimed_when_it_is_due(store: Store, clock: MovedClock) -> None:
    owner = node()
    add(store, owner)
    run = open_run(store, owner)
    later = clock() + timedelta(seconds=30)
    assert claimed(store, "one", clock() + LEASE) == ["node-1"]
    with store.write() as tx:
        tx.runs.save([replace(tx.runs.get(run), wake_at=later, state=RunState.WAITING)])
        assert tx.runs.next_wake() == later
    assert claimed(store, "two", clock() + LEASE) == []
    with store.write() as tx:
        tx.runs.wake(owner.uuid)
        assert tx.runs.next_wake() == clock()
    assert claimed(store, "two", clock() + LEASE) == ["node-1"]


def test_a_lease_that_ran_out_is_due_again(store: Store, clock: MovedClock) -> None:
    add(store, owner := node())
    run = open_run(store, owner)
    assert claimed(store, "one", clock() + LEASE) == ["node-1"]
    with store.read() as tx:
        assert tx.runs.next_wake() == clock() + LEASE
        assert tx.runs.is_held(run)
    assert claimed(store, "two", clock() + LEASE) == []
    clock.move(LEASE)
    assert claimed(store, "two", clock() + LEASE) == ["node-1"]
    with store.write() as tx:
        assert tx.runs.held("one", [tx.runs.get(run)]) == {}
        with pytest.raises(LeaseLost):
            tx.runs.remember(tx.runs.get(run), "one")


def test_a_lease_that_is_renewed_does_not_run_out(store: Store, clock: MovedClock) -> None:
    add(store, owner := node())
    run = open_run(store, owner)
    assert claimed(store, "one", clock() + LEASE) == ["node-1"]
    clock.move(LEASE / 2)
    with store.write() as tx:
        tx.runs.renew("one", clock() + LEASE, [run])
        tx.runs.renew("two", clock() + LEASE * 9, [run])
        tx.runs.renew("one", clock() + LEASE * 9, [run + 1])
    clock.move(LEASE / 2)
    assert claimed(store, "two", clock() + LEASE) == []
    clock.move(LEASE / 2)
    assert claimed(store, "two", clock() + LEASE) == ["node-1"]


def test_leases_of_a_dead_seed_are_taken_back(store: Store, clock: MovedClock) -> None:
    add(store, owner := node())
    run = open_run(store, owner)
    claimed(store, "one", clock() + LEASE)
    with store.write() as tx:
        assert tx.runs.take_back("two") == []
        assert [held.id for held in tx.runs.take_back("one")] == [run]
    assert claimed(store, "two", clock() + LEASE) == ["node-1"]


def test_a_limited_need_is_given_to_so_many_and_in_turn(store: Store, clock: MovedClock) -> None:
    for number in range(1, 6):
        add(store, owner := node(number))
        with store.write() as tx:
            needs = "write" if number < 5 else None
            tx.runs.open(tx.runs.new(owner.uuid, "deploy", "alice", ("write_image",), needs=needs))
        clock.move(timedelta(seconds=1))
    until = clock() + LEASE
    assert claimed(store, "one", until, write=2) == ["node-5", "node-1", "node-2"]
    assert claimed(store, "two", until, write=2) == []
    with store.write() as tx:
        assert tx.runs.next_wake(["write"]) == until
        first = tx.runs.all_live()[tx.nodes.get("node-1").uuid]
        tx.runs.save([replace(first, slot=False, needs=None, wake_at=until)])
    assert claimed(store, "two", until, write=2) == ["node-3"]
    with store.read() as tx:
        run = tx.runs.all_live()[tx.nodes.get("node-3").uuid]
    assert run.slot
    assert run.step_started_at == clock()


def test_a_node_in_maintenance_is_left_alone(store: Store, clock: MovedClock) -> None:
    add(store, owner := node())
    open_run(store, owner)
    with store.write() as tx:
        tx.nodes.update(owner.uuid, maintenance=True)
        assert tx.runs.next_wake() is None
    assert claimed(store, "one", clock() + LEASE) == []
    with store.write() as tx:
        tx.nodes.update(owner.uuid, maintenance=False)
    assert claimed(store, "one", clock() + LEASE) == ["node-1"]


def test_one_seed_plays_a_part_as_long_as_it_lives(store: Store, clock: MovedClock) -> None:
    with store.write() as tx:
        assert tx.leases.take("network", "one", clock() + LEASE)
        assert not tx.leases.take("network", "two", clock() + LEASE)
        assert tx.leases.holder("network") == "one"
        clock.move(LEASE)
        assert tx.leases.holder("network") is None
        assert tx.leases.take("network", "two", clock() + LEASE)
        assert not tx.leases.take("network", "one", clock() + LEASE)
        tx.leases.give_up("network", "one")
        assert tx.leases.holder("network") == "two"
        tx.leases.give_up("network", "two")
        assert tx.leases.holder("network") is None


def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    add(store, node(1))

    def look() -> list[str]:
        with store.read() as tx:
            return [each.name for each in tx.nodes.all()]

    with ThreadPoolExecutor(1) as pool, store.write() as tx:
        tx.nodes.add(node(2))
        assert pool.submit(look).result(timeout=20) == ["node-1"]
    assert look() == ["node-1", "node-2"]


def test_what_is_read_is_of_one_moment(store: Store) -> None:
    add(store, node(1))
    with store.read() as tx:
        assert [each.name for each in tx.nodes.all()] == ["node-1"]
        add(store, node(2, MAC))
        assert [each.name for each in tx.nodes.all()] == ["node-1"]
        assert tx.nodes.by_macs([MAC]) is None


def test_a_removed_node_takes_everything_with_it(store: Store) -> None:
    owner = node(1, MAC)
    add(store, owner)
    open_run(store, owner)
    with store.write() as tx:
        tx.nodes.remove(owner.uuid)
    add(store, node(1, MAC))
    with store.read() as tx:
        assert tx.runs.of_node(owner.uuid) == []


def test_whatever_machines_and_operators_tell_is_kept(store: Store) -> None:
    odd = "→ ünïcode 🖥 " + "x" * 5000
    add(store, replace(node(), serial=odd, vendor="padded\0\0"))
    with store.write() as tx:
        tx.events.add(odd, odd, node=odd, run=7, text="padded\0", more=[odd])
    with store.read() as tx:
        kept = tx.nodes.get("node-1")
        (event,) = tx.events.after(0)
    assert (kept.serial, event.message, event.data) == (odd, odd, {"text": "padded\0", "more": [odd]})
    assert (kept.vendor or "").startswith("padded")


def test_events_are_read_in_order_from_where_one_stopped(store: Store) -> None:
    with store.write() as tx:
        for number in range(5):
            tx.events.add("test", str(number), node="a" if number % 2 else "b", run=7, value=number)
    with store.read() as tx:
        assert [event.message for event in tx.events.after(0)] == list("01234")
        assert [event.message for event in tx.events.after(2, limit=2)] == list("23")
        assert [event.data["value"] for event in tx.events.after(0, node="a")] == [1, 3]
        assert tx.events.newest_id() == 5
        latest = tx.events.latest("b", prefixes=("te",))
        assert latest is not None
        assert latest.message == "4"
