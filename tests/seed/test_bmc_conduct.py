"""Runs over BMCs that are silent or refuse the log-in; what the seed learns of BMCs, keeps and tells."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from seed_machine import PASSWORD, Machine
from seed_world import World

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BMC, Endpoint
from hwdrivers.conduct import Time
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.fake import FakeBMC, FakeRack, Fault
from hwdrivers.governor import Governor, unpaced
from seed.learnt import Learnt
from seed.lifecycle import ironic_39
from seed.power.sync import PowerSync

WRONG = Credentials("admin", Secret("mistyped"))
RIGHT = Credentials("admin", Secret(PASSWORD))


class Governed(World):
    """A world whose seed reaches BMCs through a governor, as the composition root has it."""

    governor: Governor

    def govern(self) -> None:
        """What a seed does that is started; what another one learnt is in the store."""

        def now() -> float:
            return self.clock().timestamp()

        self.learnt = Learnt(self.store)
        reach = unpaced(FakeRack(*(machine.bmc for machine in self.machines)).connect)
        self.governor = Governor(
            reach, recall=self.learnt.recall, urgent=self.learnt.wake, clock=Time(now, now)
        )
        self.power = PowerSync(self.store, ironic_39(), self.governor, self.conductor.wake, clock=self.clock)
        self.__dict__.pop("operator", None)

    def restart(self) -> None:
        self.learnt.save(self.governor)
        self.governor.close()
        self.govern()

    def _bmc(self, endpoint: Endpoint, fuse: object) -> BMC:
        return self.governor.connect(endpoint)

    def sweep(self) -> None:
        self.power.sweep()

    def give(self, login: Credentials) -> None:
        with self.store.write() as tx:
            tx.credentials.put("rack", login)

    @property
    def bmc(self) -> FakeBMC:
        return self.machines[0].bmc

    def stats(self) -> dict[str, Any]:
        answer = self.operator.get("/nodes/node-1/bmc")
        assert answer.status_code == 200
        stats: dict[str, Any] = answer.json()
        return stats


@pytest.fixture
def world(tmp_path: Path, ca: str, new_store: Callable[[Path], Path | str]) -> Governed:
    made = Governed(tmp_path, Machine(), ca=ca, where=new_store(tmp_path))
    made.govern()
    return made


def silent_for(world: Governed, **span: float) -> None:
    """From now on, by the world's clock."""
    end = world.clock() + timedelta(**span)

    class Silent(FakeBMC):
        def connect(self, endpoint: Endpoint) -> FakeBMC:
            silent = world.clock() < end
            (self.faults.add if silent else self.faults.discard)(Fault.TIME_OUT)
            return super().connect(endpoint)

    world.bmc.__class__ = Silent


# -- runs ------------------------------------------------------------------------------------------


def test_a_run_gets_its_turn_also_when_its_bmc_was_silent_for_hours(world: Governed) -> None:
    world.at("available")
    silent_for(world, hours=3, minutes=1)
    for _ in range(182):
        world.sweep()
        world.pass_time(minutes=1)
    assert len(world.bmc.logins) < 60
    assert "no answer; check the cable" in str(world.node().fault)
    world.do("manage")
    assert world.do("inspect").state == "manageable"
    assert any("it is left alone after" in said for said in world.said("step.retry"))


def test_a_run_over_a_bmc_that_stays_silent_fails_within_minutes(world: Governed) -> None:
    world.enroll()
    silent_for(world, days=1)
    began = world.clock()
    node = world.do("manage")
    assert node.state == "enroll"
    assert "no answer; check the cable" in str(node.last_error)
    assert timedelta(seconds=30) < world.clock() - began < timedelta(minutes=10)
    assert len(world.bmc.logins) <= 8


def test_a_wrong_password_is_sent_once_whatever_is_asked(world: Governed) -> None:
    world.give(WRONG)
    world.enroll()
    for _ in range(3):
        node = world.do("manage")
    assert "it refused this log-in at 2026-11-22 12:00 UTC, and it is not sent again" in str(node.last_error)
    world.restart()
    world.do("manage")
    world.sweep()
    assert len(world.bmc.logins) == 1
    world.give(RIGHT)
    assert world.do("manage").state == "manageable"
    assert len(world.bmc.logins) == 2


def test_an_operator_who_mended_the_bmc_has_it_asked_again(world: Governed) -> None:
    world.give(WRONG)
    world.enroll()
    world.do("manage")
    world.bmc.credentials = WRONG
    assert world.do("manage").state == "enroll"
    assert world.operator.request("DELETE", "/nodes/node-1/bmc").status_code == 204
    assert world.do("manage").state == "manageable"
    assert world.said("bmc.reset") == ["ipmi://192.0.2.1 is asked again, by alice"]


def test_a_seed_that_is_killed_has_kept_the_refused_log_in(world: Governed) -> None:
    world.give(WRONG)
    world.enroll()
    with world.learnt.kept(world.governor):
        world.do("manage")
        pause = threading.Event()
        while not world.learnt.recall():  # within moments, though it is kept every minute
            pause.wait(0.01)
        (kept,) = world.learnt.recall().values()
    assert len(kept["refused"]) == 1
    world.govern()
    world.do("manage")
    assert len(world.bmc.logins) == 1


# -- what is told ----------------------------------------------------------------------------------


def test_how_a_bmc_behaves_is_told(world: Governed) -> None:
    world.enroll()
    world.do("manage")
    stats = world.stats()
    assert stats["bmc"] == "ipmi://192.0.2.1"
    assert (stats["node"], stats["vendor"], stats["model"]) == ("node-1", "Acme", "R1")
    assert (stats["sessions"], stats["in_use"], stats["rate"]) == (1, 0, 20.0)
    assert stats["answers"] >= 4
    assert stats["breaker"]["state"] == "closed"
    assert stats["refused_logins"] == []


def test_who_is_left_alone_is_told_with_since_when_and_why(world: Governed) -> None:
    world.at("available")
    world.bmc.faults.add(Fault.TIME_OUT)
    for _ in range(4):
        world.sweep()
    stats = world.stats()
    assert stats["failures"] == {"Unreachable": 4}
    assert stats["breaker"] == {
        "state": "open",
        "failures_in_a_row": 4,
        "since": "2026-11-22T12:00:00+00:00",
        "why": "cannot log in: no answer; check the cable",
        "next_try": "2026-11-22T12:00:04+00:00",
    }


def test_a_node_that_is_not_there_has_no_bmc(world: Governed) -> None:
    assert world.operator.get("/nodes/node-9/bmc").status_code == 404
    assert world.operator.request("DELETE", "/nodes/node-9/bmc").status_code == 404


def test_what_was_learnt_is_told_by_model_and_survives(world: Governed) -> None:
    world.enroll()
    world.do("manage")
    world.bmc.faults.add(Fault.TIME_OUT)
    world.sweep()
    conduct = world.governor.conduct(BMCAddress.parse("ipmi://192.0.2.1"))
    for _ in range(100):
        conduct.answered(0.02)
    world.governor.conduct(BMCAddress.parse("ipmi://192.0.2.99")).answered(0.5)
    for _ in range(2):
        acme, other = world.operator.get("/bmcs/learnt").json()
        assert (acme["vendor"], acme["model"], acme["bmcs"]) == ("Acme", "R1", 1)
        assert acme["failures"] == {"BMCTimeout": 1}
        assert acme["latency"]["count"] == 100
        assert acme["latency"]["p50"] == pytest.approx(20, rel=0.25)
        assert (other["vendor"], other["bmcs"], other["answers"]) == (None, 1, 1)
        with world.store.write() as tx:  # the stranger is not worth keeping, but for this test
            tx.conduct.put(world.governor.documents(), {})
        world.restart()
