"""Which log-ins a discovery tries, in which order, and when it stops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from found_rack import Rack, discover, rows
from seed_machine import PASSWORD
from seed_world import World

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BMC, Endpoint, Identity
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import AccessDenied, Unreachable
from hwdrivers.fake import FakeBMC, FakeRack, Fault
from hwdrivers.scan import Finding
from hwdrivers.scan_machines import FoundMachine
from seed.bmcs import BMCs
from seed.discovery_login import Login, Questions, Told

RIGHT = Credentials("admin", Secret(PASSWORD))


@pytest.fixture
def wrongs(world: World) -> list[str]:
    """Names of log-ins that let nobody in, each with a user of its own."""
    names = ["wrong-1", "wrong-2", "wrong-3"]
    with world.store.write() as tx:
        for name in names:
            tx.credentials.put(name, Credentials(name, Secret("wrong")))
    return names


def bmc(**more: Any) -> FakeBMC:
    return FakeBMC("ipmi://192.0.2.1", credentials=RIGHT, identity=Identity(vendor="Dell"), **more)


def test_the_one_that_lets_in_is_told_and_enrolled_with(world: World, wrongs: list[str]) -> None:
    machine = bmc()
    (row,) = rows(discover(world, Rack(machine), credentials=[wrongs[0], "rack"], enroll=True))
    assert (row["login"], row["outcome"], machine.logins) == ("rack", "enrolled", ["wrong-1", "admin"])
    with world.store.read() as tx:
        assert tx.nodes.get(row["node"]).credentials == "rack"


def test_few_are_tried_that_are_refused(world: World, wrongs: list[str]) -> None:
    machine = bmc()
    (row,) = rows(discover(world, Rack(machine), credentials=[*wrongs, "rack"]))
    assert machine.logins == ["wrong-1", "wrong-2"]
    assert "2 log-ins were refused; no further one is tried, or it might lock itself" in row["error"]
    assert row["error"].count("192.0.2.1") == 1  # what many say alike can be told once
    (row,) = rows(discover(world, Rack(machine), credentials=[*wrongs, "rack"], most_refused=1))
    assert machine.logins == ["wrong-1", "wrong-2", "wrong-1"]


def test_what_let_in_the_last_time_is_tried_first(world: World, wrongs: list[str]) -> None:
    machine = bmc()
    discover(world, Rack(machine), credentials=["rack"])
    (row,) = rows(discover(world, Rack(machine), credentials=[*wrongs, "rack"]))
    assert (row["login"], machine.logins) == ("rack", ["admin", "admin"])


def test_one_password_under_two_names_is_tried_once(world: World) -> None:
    with world.store.write() as tx:
        for name in ("one", "two"):
            tx.credentials.put(name, Credentials("admin", Secret("same")))
    machine = bmc()
    discover(world, Rack(machine), credentials=["one", "two"])
    assert machine.logins == ["admin"]


def test_a_factory_password_that_lets_in_is_a_finding(world: World) -> None:
    factory = Credentials("root", Secret("calvin"))
    with world.store.write() as tx:
        tx.credentials.put("dell", factory)
    machine = bmc()
    machine.credentials = factory
    (row,) = rows(discover(world, Rack(machine), credentials=["dell"], enroll=True))
    assert row["findings"] == ["lets in with the password of the factory: change it"]
    assert row["outcome"] == "enrolled"


class Dell(Rack):
    async def find(self, *arguments: Any, **more: Any) -> Any:
        async for event in super().find(*arguments, **more):
            if isinstance(event, Finding):
                yield Finding(event.address, event.protocol, "Dell", None, event.detail)
            else:
                yield event


def test_factory_passwords_are_tried_only_when_that_is_wished(world: World) -> None:
    machine = bmc()
    machine.credentials = Credentials("root", Secret("calvin"))
    (row,) = rows(discover(world, Dell(machine)))
    assert (row["login"], machine.logins) == (None, ["admin"])
    (row,) = rows(discover(world, Dell(machine), check_defaults=True, enroll=True))
    assert (row["login"], machine.logins[1:]) == ("factory default", ["admin", "root"])
    assert (row["outcome"], row["node"]) == ("conflict", None)
    assert "change it there, then `credentials add` it" in row["error"]
    assert "calvin" not in repr(row)


def test_factory_passwords_count_as_refused_like_others(world: World, wrongs: list[str]) -> None:
    machine = bmc()
    machine.credentials = Credentials("root", Secret("calvin"))
    discover(world, Dell(machine), credentials=wrongs[:2], check_defaults=True)
    assert machine.logins == ["wrong-1", "wrong-2"]


def both(web: FakeBMC, ipmi: FakeBMC) -> FoundMachine:
    return FoundMachine(
        Finding(web.address, "Redfish", None, None, ""), (Finding(ipmi.address, "IPMI", None, None, ""),)
    )


def test_the_other_protocol_is_asked_when_one_is_silent_but_not_after_a_refusal(world: World) -> None:
    web, ipmi = (FakeBMC(f"{scheme}://192.0.2.1", credentials=RIGHT) for scheme in ("redfish", "ipmi"))
    web.faults = {Fault.TIME_OUT}
    questions = Questions(BMCs(world.store, FakeRack(web, ipmi).connect))
    (told,) = questions.ask(both(web, ipmi), [Login("rack", RIGHT)])
    assert (told.address, told.login) == (ipmi.address, "rack")
    web.faults = {Fault.REFUSE_LOGIN}
    (told,) = questions.ask(both(web, ipmi), [Login("rack", RIGHT)])
    assert isinstance(told.error, AccessDenied)
    assert (len(web.logins), len(ipmi.logins)) == (2, 1)


class SelfSigned:
    """Redfish and IPMI of one BMC, whose certificate only log-ins without `verify_tls` accept."""

    def __init__(self) -> None:
        self.web, self.ipmi = (
            FakeBMC(f"{scheme}://192.0.2.1", credentials=RIGHT) for scheme in ("redfish", "ipmi")
        )
        self.distrusted: list[BMCAddress] = []

    def connect(self, endpoint: Endpoint) -> BMC:
        if endpoint.credentials.verify_tls:
            self.distrusted.append(endpoint.address)
            raise Unreachable.at(endpoint.address, "log in", "certificate verify failed", "", retryable=False)
        return FakeRack(self.web, self.ipmi).connect(endpoint)

    def told(self, world: World, *logins: Login) -> Told:
        (told,) = Questions(BMCs(world.store, self.connect)).ask(both(self.web, self.ipmi), logins)
        return told


def insecure(login: Credentials) -> Credentials:
    return replace(login, verify_tls=False)


def test_a_certificate_that_is_not_trusted_sends_no_password_another_way(world: World) -> None:
    machine = SelfSigned()
    told = machine.told(world, Login("rack", RIGHT), Login("other", Credentials("other", Secret("other"))))
    assert machine.distrusted == [machine.web.address]  # the same would be said to the second one
    assert "certificate verify failed" in str(told.error)


def test_after_a_certificate_that_is_not_trusted_a_log_in_that_accepts_it_is_tried(world: World) -> None:
    machine = SelfSigned()
    told = machine.told(world, Login("strict", RIGHT), Login("lax", insecure(RIGHT)))
    assert (told.address, told.login, told.error) == (machine.web.address, "lax", None)


def test_a_log_in_that_was_not_sent_does_not_count_as_refused(world: World) -> None:
    machine = SelfSigned()
    wrong = [Login(name, insecure(Credentials(name, Secret("wrong")))) for name in ("wrong-1", "wrong-2")]
    pinned = Login("pinned", replace(RIGHT, ca_file=Path("other-ca.pem")))
    told = machine.told(
        world, wrong[0], Login("strict", RIGHT), pinned, Login("lax", insecure(RIGHT)), wrong[1]
    )
    assert (told.login, machine.web.logins) == ("lax", ["wrong-1", "admin"])
    assert len(machine.distrusted) == 2  # each certificate authority is asked
