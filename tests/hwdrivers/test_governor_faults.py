"""The governor over real drivers; simulated BMCs count their sessions and wrong passwords."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from simulated import Settings, Simulation, ipmi, redfish
from stopped_clock import StoppedClock

from hwdrivers.bmc import BMC, Endpoint, PowerAction, PowerState
from hwdrivers.conduct import Time
from hwdrivers.connect import connect
from hwdrivers.errors import BMCError, Busy, InvalidParameterValue, LeftAlone, LogInRefused, Unreachable
from hwdrivers.governor import Governor
from hwdrivers.ipmi.driver import IPMI
from hwdrivers.pace import Pace
from hwdrivers.sweep import Sweep

WAITS = (0.1, 0.1, 0.2)  # seconds; a BMC on loopback answers in less
BMCS = 8
EITHER = pytest.mark.parametrize("endpoint", [ipmi, redfish])

Endpoints = Callable[..., Endpoint]


@pytest.fixture(scope="module")
def running() -> Iterator[Simulation]:
    with Simulation(Settings(bmcs=BMCS, latency="0")) as simulation:
        yield simulation


@pytest.fixture
def fleet(running: Simulation) -> Iterator[Simulation]:
    yield running
    running.clear()


def impatient(endpoint: Endpoint, *, pace: Pace) -> BMC:
    """The drivers, but that silence over IPMI is noticed soon."""
    if endpoint.address.is_redfish:
        return connect(endpoint, pace=pace)
    return IPMI(endpoint, pace=pace, waits=WAITS)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def governor(clock: StoppedClock) -> Iterator[Governor]:
    time = Time(clock, clock, clock.sleep)
    made = Governor(impatient, Sweep(waits=WAITS), clock=time)
    yield made
    made.close()


def ask(governor: Governor, endpoint: Endpoint) -> PowerState | BMCError:
    try:
        bmc = governor.connect(endpoint)
        try:
            return bmc.power_state()
        finally:
            bmc.close()
    except BMCError as error:
        return error


def told(fleet: Simulation, number: int = 0) -> dict[str, Any]:
    return fleet.remembered(fleet.addresses[number])


def wrong(fleet: Simulation) -> int:
    """Over IPMI the BMC proves first that it knows the password: a wrong one shows as a broken handshake."""
    totals = fleet.totals()
    return int(totals["wrong_passwords"] + totals["unfinished"])


@EITHER
def test_callers_and_sweeps_have_one_session_with_each_bmc(
    fleet: Simulation, governor: Governor, endpoint: Endpoints, clock: StoppedClock
) -> None:
    endpoints = [endpoint(fleet, number) for number in range(BMCS)]

    def verbs(number: int) -> None:
        for action in (PowerAction.ON, PowerAction.OFF) * 4:
            bmc = governor.connect(endpoints[number])
            bmc.request_power(action)
            bmc.close()
            if number % 2:
                clock.sleep(20)
                governor.reap()

    ended = threading.Event()
    sweeps: list[int] = []

    def sweep() -> None:
        while not ended.is_set() or len(sweeps) < 3:
            said = dict(governor.power(endpoints)).values()
            sweeps.append(sum(isinstance(each, PowerState) for each in said))

    before = [told(fleet, number)["logins"] for number in range(BMCS)]
    with ThreadPoolExecutor(BMCS + 1) as pool:
        sweeping = pool.submit(sweep)
        try:
            list(pool.map(verbs, range(BMCS)))
        finally:
            ended.set()
        sweeping.result()
    assert set(sweeps) == {BMCS}
    totals = fleet.totals()
    assert (totals["sessions_most"], totals["wrong_passwords"]) == (1, 0)
    assert all(told(fleet, number)["logins"] > before[number] for number in range(BMCS))
    governor.close()
    assert fleet.totals()["sessions"] == 0


@EITHER
def test_a_wrong_password_is_sent_once_by_eight_threads_and_sweeps(
    fleet: Simulation, governor: Governor, endpoint: Endpoints
) -> None:
    before = wrong(fleet)
    mistyped = [endpoint(fleet, number, password="mistyped") for number in range(BMCS)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda each: ask(governor, each), mistyped * 4))
        answers += [said for _ in range(3) for said in dict(governor.power(mistyped)).values()]
    assert {type(answer) for answer in answers} == {LogInRefused}
    assert wrong(fleet) == before + BMCS


@EITHER
def test_nor_after_a_restart_of_the_seed(fleet: Simulation, governor: Governor, endpoint: Endpoints) -> None:
    before = wrong(fleet)
    mistyped = [endpoint(fleet, number, password="mistyped") for number in range(BMCS)]
    assert {type(said) for _, said in governor.power(mistyped)} == {LogInRefused}
    again = Governor(impatient, Sweep(waits=WAITS), recall=governor.documents)
    assert {type(said) for _, said in again.power(mistyped)} == {LogInRefused}
    assert {type(ask(again, each)) for each in mistyped} == {LogInRefused}
    again.close()
    assert wrong(fleet) == before + BMCS
    assert ask(governor, endpoint(fleet)) is PowerState.OFF


@EITHER
def test_no_account_is_locked_by_guessing(fleet: Simulation, governor: Governor, endpoint: Endpoints) -> None:
    fleet.fault("lockout=600")
    for guess in ("first", "second", "third", "fourth"):
        assert isinstance(ask(governor, endpoint(fleet, password=guess)), LogInRefused)
    governor.forget(endpoint(fleet).address)
    assert ask(governor, endpoint(fleet)) is PowerState.OFF


def test_a_silent_bmc_is_left_alone_and_found_again(
    fleet: Simulation, governor: Governor, clock: StoppedClock
) -> None:
    fleet.fault("silent", fleet.addresses[0])
    first = ipmi(fleet)
    kinds = [type(ask(governor, first)) for _ in range(6)]
    assert kinds[0] is Unreachable
    assert set(kinds[-2:]) == {LeftAlone}
    said = dict(governor.power([ipmi(fleet, 0), ipmi(fleet, 1)]))
    assert isinstance(said[first], LeftAlone)
    assert said[ipmi(fleet, 1)] is PowerState.OFF
    fleet.clear()
    clock.sleep(300)
    assert ask(governor, first) is PowerState.OFF
    assert governor.view(first.address)["breaker"]["state"] == "closed"


@EITHER
def test_a_bmc_whose_sessions_are_all_taken_is_asked_less_and_less(
    fleet: Simulation, governor: Governor, endpoint: Endpoints, clock: StoppedClock
) -> None:
    fleet.fault("full")
    full = endpoint(fleet)
    errors = [ask(governor, full) for _ in range(8)]
    assert isinstance(errors[0], Busy)
    assert isinstance(errors[-1], LeftAlone)
    assert governor.view(full.address)["rate"] < 20
    fleet.clear()
    clock.sleep(300)
    assert ask(governor, full) is PowerState.OFF


def test_a_redfish_service_that_asks_to_be_left_alone_is(fleet: Simulation, governor: Governor) -> None:
    fleet.fault("busy=0")
    busy = redfish(fleet)
    errors = [ask(governor, busy) for _ in range(8)]
    assert isinstance(errors[-1], LeftAlone)
    assert "503" in str(errors[-1])


@EITHER
def test_a_bmc_that_was_reset_in_between_is_logged_in_to_anew(
    fleet: Simulation, governor: Governor, endpoint: Endpoints
) -> None:
    assert ask(governor, endpoint(fleet)) is PowerState.OFF
    logins = told(fleet)["logins"]
    fleet.fault("reboot=0")
    answers = [ask(governor, endpoint(fleet)) for _ in range(3)]
    assert answers[-1] is PowerState.OFF
    assert logins < told(fleet)["logins"] <= logins + 2
    assert told(fleet)["sessions"] == 1


@EITHER
def test_what_its_answers_took_is_learnt(fleet: Simulation, governor: Governor, endpoint: Endpoints) -> None:
    ask(governor, endpoint(fleet))
    view = governor.view(endpoint(fleet).address)
    assert view["latency"]["count"] == view["answers"] > 0
    assert view["sessions"] == 1
    assert view["failures"] == {}


def test_a_wish_that_cannot_be_is_no_failure_of_the_bmc(fleet: Simulation, governor: Governor) -> None:
    bmc = governor.connect(redfish(fleet))
    assert bmc.bios is not None
    with pytest.raises(InvalidParameterValue, match="BootMode is one of"):
        bmc.bios.apply({"BootMode": "Foo"})
    bmc.close()
    assert governor.view(redfish(fleet).address)["failures"] == {}
