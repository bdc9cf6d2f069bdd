"""BMCs that go wrong: bounded retries, the right words, and never a second wrong password."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from peers import PASSWORD, endpoint
from stopped_clock import StoppedClock
from vmlab.simulator import Settings, Simulation

from hwdrivers.bmc import PowerState
from hwdrivers.credentials import Secret
from hwdrivers.errors import BMCError, BMCTimeout, Busy, LogInRefused, Unreachable
from hwdrivers.ipmi.driver import IPMI
from hwdrivers.power import PowerStuck, ensure_power

WAITS = (0.1, 0.2, 0.3)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Simulation]:
    with Simulation(Settings(bmcs=100, password=PASSWORD, redfish_port=None, latency="0")) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def free(fleet: Simulation) -> Iterator[str]:
    return iter(fleet.addresses)


@pytest.fixture
def where(free: Iterator[str]) -> str:
    return next(free)


def opened(fleet: Simulation, where: str, **more: Any) -> IPMI:
    return IPMI(endpoint(fleet.ipmi(where), **more), waits=WAITS)


def guesses(fleet: Simulation, where: str) -> int:
    """The console sees first that the BMC has another password, and breaks off (RAKP message 2)."""
    remembered = fleet.remembered(where)
    return int(remembered["wrong_passwords"] + remembered["unfinished"])


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("silent", Unreachable, "cannot log in: no answer within 0.6 s; check the address"),
        ("checksum", Unreachable, "cannot log in: no answer within 0.6 s; check the address"),
        ("full", Busy, "all its sessions are in use; wait a minute"),
    ],
)
def test_a_log_in_that_fails(
    fault: str, error: type[BMCError], words: str, fleet: Simulation, where: str
) -> None:
    fleet.fault(fault, where)
    with pytest.raises(error) as caught:
        opened(fleet, where)
    assert words in str(caught.value)
    assert caught.value.retryable
    remembered = fleet.remembered(where)
    assert remembered["wrong_passwords"] == remembered["sessions"] == 0
    assert remembered["logins"] <= 1


@pytest.mark.parametrize(
    ("fault", "error", "words", "logins"),
    [
        ("silent", Unreachable, "no answer within 0.6 s", 1),
        ("integrity", BMCTimeout, "it answered before, and now not for 0.6 s", 2),
        ("busy", Busy, "Node Busy (completion code 0xc0); try again in a few seconds", 1),
    ],
)
def test_an_open_session_that_goes_wrong_and_comes_back(
    fault: str, error: type[BMCError], words: str, logins: int, fleet: Simulation, where: str
) -> None:
    bmc = opened(fleet, where)
    fleet.fault(fault, where)
    with pytest.raises(error) as caught:
        bmc.power_state()
    assert words in str(caught.value)
    assert caught.value.retryable
    assert fleet.remembered(where)["logins"] == logins
    assert fleet.remembered(where)["wrong_passwords"] == 0
    fleet.clear(where=where)
    assert bmc.power_state() is PowerState.OFF
    bmc.close()


@pytest.mark.parametrize("fault", ["slow=0.15", "reboot=0.2"])
def test_what_passes_is_not_noticed(fault: str, fleet: Simulation, where: str) -> None:
    bmc = opened(fleet, where)
    fleet.fault(fault, where)
    assert bmc.power_state() is PowerState.OFF
    assert fleet.remembered(where)["wrong_passwords"] == 0
    bmc.close()


def test_power_that_lies_is_given_up_in_words(fleet: Simulation, where: str, clock: StoppedClock) -> None:
    bmc = opened(fleet, where)
    fleet.fault("power-lies", where)
    with pytest.raises(PowerStuck, match="it stayed on for 35 s; look at the machine"):
        ensure_power(bmc, PowerState.OFF, timeout=35, clock=clock, sleep=clock.sleep)
    bmc.close()


def test_a_password_that_was_changed_meanwhile_is_tried_once(fleet: Simulation, where: str) -> None:
    fleet.fault("lockout=3600", where)
    bmc, other = opened(fleet, where), opened(fleet, where)
    other.accounts.set_password("admin", Secret("battery staple"))
    bmc._bmc._hang_up()
    for ask in (bmc.power_state, bmc.power_state, bmc.console.open, bmc.sensors.read):
        with pytest.raises(LogInRefused, match="Incorrect password"):
            ask()
    assert guesses(fleet, where) == 1
    assert not fleet.remembered(where)["locked"]
    assert other.power_state() is PowerState.OFF
    other.close()
    bmc.close()


def test_a_console_that_cannot_be_opened_asks_no_second_password(fleet: Simulation, where: str) -> None:
    bmc, other = opened(fleet, where), opened(fleet, where)
    other.accounts.set_password("admin", Secret("battery staple"))
    for _ in range(3):
        with pytest.raises(LogInRefused):
            bmc.console.open()
    assert guesses(fleet, where) == 1
    other.close()
    bmc.close()


def test_a_console_of_a_bmc_gone_silent_is_closed_and_its_reader_told(fleet: Simulation, where: str) -> None:
    bmc = opened(fleet, where)
    console = bmc.console.open()
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(console.read, 3600)
        fleet.fault("silent", where)
        console.close()
        with pytest.raises(BMCError, match="it was closed here"):
            reader.result(timeout=20)
    bmc.close()
