from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers import endpoint, ipmi_peer, sushy_tools_peer, tree_peer
from simulated import Settings, Simulation, ipmi, redfish

from hwdrivers.bmc import BMC, Endpoint, PowerState
from hwdrivers.connect import connect
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import BMCError
from hwdrivers.fake import FakeBMC
from hwdrivers.sweep import Sweep

IMPATIENT = (0.05, 0.1, 0.2)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Simulation]:
    with Simulation(Settings(bmcs=60)) as fleet:
        yield fleet


@pytest.fixture
def sweep() -> Iterator[Sweep]:
    sweep = Sweep(waits=IMPATIENT)
    yield sweep
    sweep.close()


def as_the_driver(asked: Endpoint) -> PowerState | str:
    try:
        bmc = connect(asked)
    except BMCError as error:
        return str(error)
    try:
        return bmc.power_state()
    finally:
        bmc.close()


def test_every_kind_of_bmc_in_one_sweep_as_its_driver_answers(tmp_path: Path) -> None:
    sweep = Sweep()
    with ipmi_peer() as one, tree_peer("supermicro-x10") as two, sushy_tools_peer(tmp_path) as three:
        asked = [
            endpoint(one.address),
            endpoint(two.address),
            endpoint(three.address),
            endpoint(f"127.0.0.1:{one.port}"),  # no scheme
            endpoint("127.0.0.1:9"),
            endpoint("ipmi://127.0.0.1:9"),
            endpoint("redfish+http://127.0.0.1:9"),
        ]
        answers = dict(sweep.power(asked))
        sweep.close()
        for each in asked:
            answer = answers[each]
            assert (answer if isinstance(answer, PowerState) else str(answer)) == as_the_driver(each)
        assert list(answers.values()).count(PowerState.OFF) == 4


def test_power_is_read_anew_in_each_sweep(fleet: Simulation, sweep: Sweep) -> None:
    asked = [make(fleet, number) for number in range(20) for make in (ipmi, redfish)]
    assert set(dict(sweep.power(asked)).values()) == {PowerState.OFF}
    for number in range(20):
        fleet.press_power(fleet.addresses[number], True)
    assert set(dict(sweep.power(asked)).values()) == {PowerState.ON}


def test_one_bmc_that_is_named_twice_is_answered_twice(fleet: Simulation, sweep: Sweep) -> None:
    asked = [ipmi(fleet, 30), ipmi(fleet, 30), ipmi(fleet, 30, password="battery staple"), redfish(fleet, 30)]
    answers = list(sweep.power([*asked, redfish(fleet, 30)]))
    assert [power for _, power in answers].count(PowerState.OFF) == 4
    assert len(answers) == 5


def test_endpoints_are_read_as_there_is_room(fleet: Simulation, sweep: Sweep) -> None:
    fleet.fault("silent", fleet.addresses[40])
    read = 0

    def endless() -> Iterator[Endpoint]:
        nonlocal read
        while True:
            read += 1
            yield endpoint(f"ipmi://127.66.{read >> 8}.{read & 255}:{fleet.ipmi_port}")

    for _answer in sweep.power(endless(), ended=lambda: read >= 600):
        pass
    assert read < 1200
    fleet.clear()


def test_once_ended_nobody_is_waited_for(fleet: Simulation) -> None:
    patient = Sweep(waits=(3600.0,))
    fleet.fault("silent", fleet.addresses[41])
    heard: list[Endpoint] = []
    for each, _ in patient.power([ipmi(fleet, 41), ipmi(fleet, 42)], ended=lambda: bool(heard)):
        heard.append(each)
    assert heard == [ipmi(fleet, 42)]
    fleet.clear()
    patient.close()


def test_a_sweep_that_nobody_listens_to_leaves_the_next_one_in_peace(fleet: Simulation, sweep: Sweep) -> None:
    asked = [make(fleet, number) for number in range(30, 40) for make in (ipmi, redfish)]
    abandoned = sweep.power(asked)
    next(abandoned)
    abandoned.close()
    assert set(dict(sweep.power(asked)).values()) == {PowerState.OFF}


def test_sessions_are_kept_forgotten_and_closed(fleet: Simulation) -> None:
    first, second = fleet.addresses[50:52]
    sweep = Sweep()
    asked = [make(fleet, number) for number in (50, 51) for make in (ipmi, redfish)]
    for _ in range(3):
        assert set(dict(sweep.power(asked)).values()) == {PowerState.OFF}
    assert [fleet.remembered(each)["sessions"] for each in (first, second)] == [2, 2]
    assert [fleet.remembered(each)["logins"] for each in (first, second)] == [2, 2]
    for number in (0, 1):
        sweep.forget(asked[number].address)
    assert set(dict(sweep.power(asked[2:])).values()) == {PowerState.OFF}
    assert [fleet.remembered(each)["sessions"] for each in (first, second)] == [0, 2]
    sweep.close()
    assert [fleet.remembered(each)["sessions"] for each in (first, second)] == [0, 0]


def test_one_may_be_forgotten_while_a_sweep_is_under_way(fleet: Simulation, sweep: Sweep) -> None:
    asked = [ipmi(fleet, number) for number in range(52, 60)]
    threads = []
    for each, _ in sweep.power(asked):
        threads.append(threading.Thread(target=sweep.forget, args=(each.address,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert set(dict(sweep.power(asked)).values()) == {PowerState.OFF}
    assert [fleet.remembered(each)["logins"] for each in fleet.addresses[52:60]] == [2] * 8


@pytest.mark.usefixtures("no_new_sockets")
def test_nothing_stays_open(fleet: Simulation) -> None:
    sweep = Sweep(waits=IMPATIENT)
    asked = [ipmi(fleet, 1), redfish(fleet, 1), endpoint("redfish+http://127.0.0.1:9")]
    assert len(dict(sweep.power(asked))) == 3
    sweep.close()


def test_a_driver_that_breaks_is_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    good = FakeBMC(credentials=Credentials("admin", Secret("right")))

    def breaks(asked: Endpoint) -> BMC:
        if asked.address.host == "10.0.0.1":
            raise ZeroDivisionError
        return good.connect(asked)

    sweep = Sweep(breaks)
    broken, fine = endpoint("10.0.0.1", password="right"), endpoint("10.0.0.2", password="right")
    answers = dict(sweep.power([broken, fine]))
    sweep.close()
    assert answers[fine] is PowerState.OFF
    assert "its driver failed (ZeroDivisionError)" in str(answers[broken])
    assert "10.0.0.1: its power cannot be read" in caplog.text
