"""A password is changed on BMCs and in the store so that at any moment there is one that lets in."""

from __future__ import annotations

from typing import Any

import pytest
from seed_machine import PASSWORD, Machine
from seed_world import World

from hwdrivers.bmc import Endpoint
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import BMCTimeout, ProtocolError, Unsupported
from hwdrivers.fake import FakeBMC, FakeRack, Fault
from hwdrivers.fake_parts import FakeAccounts
from seed.bmcs import BMCs
from seed.rotation import Rotation, generated, pending
from seed.store.errors import Conflict, NotFound

NEW = Secret("the new one")


def rotation(world: World, *machines: Machine) -> Rotation:
    rack = FakeRack(*(machine.bmc for machine in machines))
    return Rotation(world.store, BMCs(world.store, rack.connect), lambda address: None)


def rotate(
    world: World, *machines: Machine, nodes: list[str] | None = None, password: Any = NEW, ended: bool = False
) -> tuple[dict[str, str | None], dict[str, Any]]:
    """The error of each node, and the summary."""
    asked = rotation(world, *machines)
    *lines, last = asked.run(asked.prepare("rack", password, nodes, "alice"), "alice", lambda: ended)
    return {line["bmc"]["nodes"][0]: line["bmc"]["error"] for line in lines}, last["summary"]


def stored(world: World) -> dict[str, Any]:
    """The passwords that the store knows, and which one each node has."""
    with world.store.read() as tx:
        nodes = {node.name: tx.credentials.get(node.credentials).password for node in tx.nodes.all()}
        return {"names": tx.credentials.names(), **nodes}


def lets_in(world: World, *machines: Machine) -> bool:
    """Whether what the store says of each node is what its BMC wants."""
    known = stored(world)
    return all(known[machine.name] == machine.bmc.credentials.password for machine in machines)


@pytest.fixture
def pair(world: World) -> tuple[Machine, Machine]:
    machines = (Machine(1), Machine(2))
    for machine in machines:
        world.enroll(machine)
    return machines


def test_all_bmcs_get_it_and_the_old_one_is_forgotten(world: World, pair: tuple[Machine, Machine]) -> None:
    errors, summary = rotate(world, *pair)
    assert errors == {"node-1": None, "node-2": None}
    assert summary == {"rotated": 2, "failed": 0, "finished": True}
    assert stored(world) == {"names": ["rack"], "node-1": NEW, "node-2": NEW}
    for machine in pair:
        assert machine.bmc.credentials.password == NEW
        assert machine.bmc.logins == ["admin", "admin"]  # with the old one, and once to verify
    with world.store.read() as tx:
        assert all(node.credentials == "rack" for node in tx.nodes.all())
        events = " ".join(event.message for event in tx.events.after(0))
    assert "the BMC has the new password of credentials 'rack', by alice" in events
    assert NEW.reveal() not in events


def test_some_first_and_the_rest_later(world: World, pair: tuple[Machine, Machine]) -> None:
    errors, summary = rotate(world, *pair, nodes=["node-1"])
    assert (errors, summary["finished"]) == ({"node-1": None}, False)
    assert stored(world) == {"names": ["rack", pending("rack")], "node-1": NEW, "node-2": Secret(PASSWORD)}
    assert lets_in(world, *pair)
    with pytest.raises(Conflict, match="a rotation of 'rack' to another password is under way"):
        rotate(world, *pair, password=Secret("a third"))
    _, summary = rotate(world, *pair, password=None)
    assert summary["finished"]
    assert stored(world) == {"names": ["rack"], "node-1": NEW, "node-2": NEW}
    assert lets_in(world, *pair)


def test_one_that_fails_keeps_both_until_it_works(world: World, pair: tuple[Machine, Machine]) -> None:
    broken = pair[1].bmc
    broken.faults = {Fault.TIME_OUT}
    errors, summary = rotate(world, *pair)
    assert errors["node-1"] is None
    assert "no answer" in str(errors["node-2"])
    assert summary == {"rotated": 1, "failed": 1, "finished": False}
    assert lets_in(world, *pair)
    broken.faults = set()
    assert rotate(world, *pair, password=None)[1]["finished"]
    assert lets_in(world, *pair)


class Forgetful(FakeAccounts):
    """Says that it has set a new password, and has set another (a BMC that keeps 16 bytes of it)."""

    def set_password(self, username: str, password: Secret) -> None:
        kept = password if password == Secret(PASSWORD) else Secret(password.reveal()[:3])
        super().set_password(username, kept)


def test_where_it_cannot_be_verified_the_old_one_is_put_back(world: World) -> None:
    machine = Machine(1)
    machine.bmc.accounts = Forgetful(machine.bmc)
    world.enroll(machine)
    errors, summary = rotate(world, machine)
    assert "cannot verify the new password: it took it, and then:" in str(errors["node-1"])
    assert "the old one was put back and lets in" in str(errors["node-1"])
    assert not summary["finished"]
    assert machine.bmc.credentials.password == Secret(PASSWORD)
    assert lets_in(world, machine)
    # One wrong log-in, and no second one with the same password.
    assert machine.bmc.deeds[-1].what == "password of admin changed"
    assert len(machine.bmc.logins) == 3


class Stubborn(Forgetful):
    """And does not take the old one back."""

    def set_password(self, username: str, password: Secret) -> None:
        if password == Secret(PASSWORD):
            raise ProtocolError.at(self._bmc.address, "set it", "internal error", "reset the BMC")
        super().set_password(username, password)


def test_where_neither_works_both_are_kept_and_said(world: World) -> None:
    machine = Machine(1)
    machine.bmc.accounts = Stubborn(machine.bmc)
    world.enroll(machine)
    errors, _ = rotate(world, machine)
    assert "the old one could not be put back either" in str(errors["node-1"])
    assert "both are kept: rotate again" in str(errors["node-1"])
    assert stored(world)["names"] == ["rack", pending("rack")]


class Lost(FakeAccounts):
    """Its answer gets lost, after it did as asked."""

    def set_password(self, username: str, password: Secret) -> None:
        super().set_password(username, password)
        raise BMCTimeout.at(self._bmc.address, "set it", "no answer", "try again")


def test_an_answer_that_got_lost_costs_nothing_the_next_time(world: World) -> None:
    machine = Machine(1)
    machine.bmc.accounts = Lost(machine.bmc)
    world.enroll(machine)
    errors, _ = rotate(world, machine)
    assert "no answer" in str(errors["node-1"])
    before = len(machine.bmc.deeds)
    errors, summary = rotate(world, machine, password=None)
    assert (errors, summary["finished"]) == ({"node-1": None}, True)
    assert lets_in(world, machine)
    # It was asked with the new password first: nothing was refused, nothing set again.
    assert (len(machine.bmc.deeds), machine.bmc.logins) == (before, ["admin", "admin"])


def test_a_seed_that_died_in_between_goes_on(world: World, pair: tuple[Machine, Machine]) -> None:
    first = pair[0]

    class Dies(FakeAccounts):
        def set_password(self, username: str, password: Secret) -> None:
            super().set_password(username, password)
            raise SystemExit("killed")

    first.bmc.accounts = Dies(first.bmc)
    with pytest.raises(SystemExit):
        rotate(world, *pair)
    assert first.bmc.credentials.password == NEW
    world.reopen()
    first.bmc.accounts = FakeAccounts(first.bmc)
    assert rotate(world, *pair, password=None)[1] == {"rotated": 2, "failed": 0, "finished": True}
    assert lets_in(world, *pair)


def test_a_bmc_without_accounts_says_so(world: World) -> None:
    machine = Machine(1)
    machine.bmc.accounts = None
    world.enroll(machine)
    assert "IPMI has no accounts" in str(rotate(world, machine)[0]["node-1"])
    assert lets_in(world, machine)


class Unable(FakeAccounts):
    def set_password(self, username: str, password: Secret) -> None:
        raise Unsupported.at(self._bmc.address, "set it", "405", "use its web interface")


def test_what_cannot_be_set_was_not_set(world: World) -> None:
    machine = Machine(1)
    machine.bmc.accounts = Unable(machine.bmc)
    world.enroll(machine)
    rotate(world, machine)
    rotate(world, machine, password=None)
    assert machine.bmc.logins == ["admin", "admin"]  # twice with the old one, never with the new
    assert lets_in(world, machine)


def test_a_node_in_a_run_is_left_alone(world: World, pair: tuple[Machine, Machine]) -> None:
    world.ask("manage", pair[0])
    errors, _ = rotate(world, *pair)
    assert "node 'node-1': run 1 (manage) is under way" in str(errors["node-1"])
    assert pair[0].bmc.logins == []
    assert lets_in(world, *pair)


def test_what_is_stopped_asks_no_further_bmc(world: World, pair: tuple[Machine, Machine]) -> None:
    errors, summary = rotate(world, *pair, ended=True)
    assert set(errors.values()) == {"stopped before this BMC was asked"}
    assert not summary["finished"]
    assert [machine.bmc.logins for machine in pair] == [[], []]


def test_systems_behind_one_bmc_are_rotated_once(world: World) -> None:
    bmc = FakeBMC("redfish://192.0.2.9", credentials=Credentials("admin", Secret(PASSWORD)))

    class Service(FakeRack):
        def connect(self, endpoint: Endpoint) -> FakeBMC:
            return bmc.connect(endpoint)

    for system in ("1", "2"):
        address = f"redfish://192.0.2.9/redfish/v1/Systems/{system}"
        world.operator.post("/nodes", json={"bmc": address, "credentials": "rack", "name": f"s{system}"})
    asked = Rotation(world.store, BMCs(world.store, Service().connect), lambda address: None)
    first, summary = asked.run(asked.prepare("rack", NEW, None, "alice"), "alice")
    assert (first["bmc"]["nodes"], summary["summary"]["rotated"]) == (["s1", "s2"], 1)
    assert len(bmc.deeds) == 1
    assert stored(world) == {"names": ["rack"], "s1": NEW, "s2": NEW}


def test_a_bmc_that_is_no_node_keeps_a_log_in(world: World, pair: tuple[Machine, Machine]) -> None:
    body = {"address": "ipmi://192.0.2.99", "also": [], "login": "rack"}
    with world.store.write() as tx:
        tx.discovered.put("ipmi://192.0.2.99", body)
        tx.discovered.put("ipmi://192.0.2.1", {**body, "address": "ipmi://192.0.2.1"})
    rotate(world, *pair)
    with world.store.read() as tx:
        known = {bmc: row.body["login"] for bmc, row in tx.discovered.all().items()}
        assert known == {"ipmi://192.0.2.1": "rack", "ipmi://192.0.2.99": "rack (old)"}
        assert tx.credentials.get("rack (old)").password == Secret(PASSWORD)


@pytest.mark.parametrize(
    ("password", "nodes", "problem"),
    [
        (Secret(PASSWORD), None, "that is the password of 'rack' already"),
        (Secret("x" * 21), None, "IPMI takes 20 bytes at most, and node 'node-1' is ipmi://192.0.2.1"),
        (None, None, "no rotation of 'rack' is under way: give the new password"),
        (NEW, ["node-3"], "node 'node-3' uses credentials 'other', not 'rack'"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    world: World,
    pair: tuple[Machine, Machine],
    password: Secret | None,
    nodes: list[str] | None,
    problem: str,
) -> None:
    with world.store.write() as tx:
        tx.credentials.put("other", Credentials("admin", Secret("other")))
    world.enroll(Machine(3), credentials="other")
    before = stored(world)
    with pytest.raises(Conflict) as caught:
        rotation(world, *pair).prepare("rack", password, nodes, "alice")
    assert problem in str(caught.value)
    assert stored(world) == before
    with pytest.raises(NotFound):
        rotation(world, *pair).prepare("nobody", NEW, None, "alice")


def test_generated_passwords_please_every_policy() -> None:
    seen = {generated().reveal() for _ in range(50)}
    assert len(seen) == 50
    for password in seen:
        assert len(password) == 16
        assert password[0].isalpha()
        assert any(sign.islower() for sign in password) and any(sign.isupper() for sign in password)
        assert any(sign.isdigit() for sign in password) and any(sign in "-_." for sign in password)
        assert password.isascii() and set(password) <= set("-_.") | set(filter(str.isalnum, password))


def test_credentials_in_use_are_not_deleted(world: World, pair: tuple[Machine, Machine]) -> None:
    answer = world.operator.request("DELETE", "/credentials/rack")
    assert answer.status_code == 409
    assert answer.json()["detail"] == "credentials 'rack' are used by 2 nodes: node-1, node-2"
    with world.store.write() as tx:
        tx.credentials.put("idle", Credentials("admin", Secret("idle")))
    assert world.operator.request("DELETE", "/credentials/idle").status_code == 204
    assert world.operator.request("DELETE", "/credentials/idle").status_code == 404
    assert stored(world)["names"] == ["rack"]
