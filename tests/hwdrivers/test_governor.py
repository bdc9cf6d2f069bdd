"""One session for all callers, who is left alone, and log-ins that are not sent twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from stopped_clock import StoppedClock

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import BMC, Endpoint, PowerAction, PowerState
from hwdrivers.breaker import AFTER, LONGEST
from hwdrivers.conduct import Time
from hwdrivers.credentials import Credentials, Secret
from hwdrivers.errors import (
    AccessDenied,
    BMCError,
    BMCTimeout,
    Busy,
    LeftAlone,
    LogInRefused,
    ProtocolError,
    Unreachable,
)
from hwdrivers.fake import FakeBMC, FakeRack, Fault
from hwdrivers.governor import IDLE, Governor, unpaced
from hwdrivers.refusals import WINDOW
from seed.advance import LONGEST_PAUSE

RIGHT = Credentials("admin", Secret("password"))
WRONG = Credentials("admin", Secret("mistyped"))


class Door(FakeBMC):
    """Counts the sessions that are open at the same time."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.sessions = self.most = 0
        self.asked = 0
        self._counting = threading.Lock()
        self.when_asked: Callable[[], object] = lambda: None
        self.when_login: Callable[[], object] = lambda: None

    def connect(self, endpoint: Endpoint) -> FakeBMC:
        self.when_login()
        super().connect(endpoint)
        with self._counting:
            self.sessions += 1
            self.most = max(self.most, self.sessions)
        return self

    def close(self) -> None:
        with self._counting:
            self.sessions -= 1
        super().close()

    def answer(self, action: str) -> None:
        self.asked += 1
        self.when_asked()
        super().answer(action)


class Site:
    """BMCs, their governor, and a clock that stands."""

    def __init__(self, *bmcs: Door) -> None:
        self.bmcs = bmcs or (Door(),)
        self.bmc = self.bmcs[0]
        self.clock = StoppedClock()
        self.kept: dict[str, Any] = {}
        self.start()

    def start(self) -> None:
        """A seed that was started anew: what was learnt comes from the store."""
        time = Time(self.clock, self.clock, self.clock.sleep)
        connect = unpaced(FakeRack(*self.bmcs).connect)
        self.governor = Governor(connect, recall=lambda: self.kept, clock=time)

    def restart(self) -> None:
        with self.governor.news() as news:
            self.kept |= news
        self.governor.close()
        self.start()

    def endpoint(self, login: Credentials = RIGHT, bmc: Door | None = None) -> Endpoint:
        return Endpoint((bmc or self.bmc).address, login)

    @contextmanager
    def talk(self, login: Credentials = RIGHT, to: Door | None = None) -> Iterator[BMC]:
        bmc = self.governor.connect(self.endpoint(login, to))
        try:
            yield bmc
        finally:
            bmc.close()

    def ask(self, login: Credentials = RIGHT, to: Door | None = None) -> PowerState | BMCError:
        try:
            with self.talk(login, to) as bmc:
                return bmc.power_state()
        except BMCError as error:
            return error

    def sweep(self, login: Credentials = RIGHT) -> dict[BMCAddress, PowerState | BMCError]:
        asked = [self.endpoint(login, bmc) for bmc in self.bmcs]
        return {endpoint.address: said for endpoint, said in self.governor.power(asked)}


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.governor.close()


# -- one session -----------------------------------------------------------------------------------


def test_all_callers_share_one_session_and_it_is_kept_for_the_next(site: Site) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: site.ask(), range(40))) == {PowerState.OFF}
    assert (len(site.bmc.logins), site.bmc.most, site.bmc.sessions) == (1, 1, 1)


def test_a_share_that_is_given_back_twice_leaves_the_other_one_open(site: Site) -> None:
    with site.talk() as bmc:
        other = site.governor.connect(site.endpoint())
        other.close()
        other.close()
        site.clock.sleep(IDLE + 1)
        site.governor.reap()
        assert bmc.power_state() is PowerState.OFF
    assert site.bmc.sessions == 1


def test_an_idle_session_is_closed_and_a_new_one_opened_when_asked(site: Site) -> None:
    site.ask()
    site.clock.sleep(IDLE - 1)
    site.governor.reap()
    assert site.bmc.sessions == 1
    site.clock.sleep(1)
    site.governor.reap()
    assert site.bmc.sessions == 0
    assert site.ask() is PowerState.OFF
    assert len(site.bmc.logins) == 2


def test_at_the_end_nothing_stays_open(site: Site) -> None:
    site.ask()
    with site.talk() as bmc:
        site.governor.close()
        assert bmc.power_state() is PowerState.OFF
    assert site.bmc.sessions == 0


def test_other_credentials_open_another_session(site: Site) -> None:
    site.ask()
    site.bmc.credentials = Credentials("admin", Secret("new"))
    assert site.ask(site.bmc.credentials) is PowerState.OFF
    assert (len(site.bmc.logins), site.bmc.most, site.bmc.sessions) == (2, 1, 1)


def test_a_session_that_fell_silent_is_not_used_again(site: Site) -> None:
    site.ask()
    site.bmc.faults.add(Fault.TIME_OUT)
    assert isinstance(site.ask(), BMCTimeout)
    assert site.bmc.sessions == 0
    site.bmc.faults.clear()
    assert site.ask() is PowerState.OFF
    assert len(site.bmc.logins) == 2


def test_interfaces_are_offered_through_it_as_the_driver_has_them(site: Site) -> None:
    with site.talk() as bmc:
        assert bmc.media is None  # it is an ipmi:// address
        assert bmc.led is not None
        bmc.led.set(True)
        assert bmc.led.lit() is True
        assert bmc.address == site.bmc.address
        site.bmc.faults.add(Fault.TIME_OUT)
        with pytest.raises(BMCTimeout):
            bmc.led.lit()
    assert site.bmc.sessions == 0


# -- who is left alone -----------------------------------------------------------------------------


def silence(site: Site, times: int = AFTER) -> None:
    site.bmc.faults.add(Fault.TIME_OUT)
    for _ in range(times):
        assert isinstance(site.ask(), Unreachable | BMCTimeout)


def test_who_fails_again_and_again_is_left_alone_and_it_is_told_why(site: Site) -> None:
    silence(site)
    before = len(site.bmc.logins)
    for _ in range(10):
        error = site.ask()
        assert isinstance(error, LeftAlone)
    assert len(site.bmc.logins) == before
    assert str(error) == (
        "ipmi://192.0.2.1: cannot ask it: it is left alone after 4 failures in a row since 00:16:40 UTC, "
        "the last: cannot log in: no answer; check the cable; asked again at 00:16:44 UTC; look at its power "
        "and network cable. `undercloud bmc reset ipmi://192.0.2.1` has it asked at once"
    )
    assert error.retryable


def test_one_answer_and_all_may_ask_again(site: Site) -> None:
    silence(site)
    site.bmc.faults.clear()
    site.clock.sleep(5)
    assert site.ask() is PowerState.OFF
    assert site.governor.view(site.bmc.address)["breaker"]["state"] == "closed"
    silence(site, AFTER - 1)
    assert site.governor.view(site.bmc.address)["breaker"]["state"] == "closed"
    assert isinstance(site.ask(), Unreachable)
    assert isinstance(site.ask(), LeftAlone)


def test_only_one_caller_tries(site: Site) -> None:
    silence(site)
    site.clock.sleep(5)
    before = len(site.bmc.logins)
    with ThreadPoolExecutor(8) as pool:
        errors = list(pool.map(lambda _: site.ask(), range(8)))
    assert len(site.bmc.logins) == before + 1
    assert sorted(type(error).__name__ for error in errors) == ["LeftAlone"] * 7 + ["Unreachable"]


def test_the_pauses_grow_to_some_minutes(site: Site) -> None:
    silence(site)
    asked = []
    for _ in range(3600):
        before = len(site.bmc.logins)
        site.ask()
        if len(site.bmc.logins) > before:
            asked.append(site.clock.now)
        site.clock.sleep(1)
    pauses = [late - early for early, late in pairwise(asked)]
    assert pauses[:6] == [8, 16, 32, 64, 128, 240]
    assert set(pauses[6:]) == {LONGEST}


def test_a_run_outlives_the_longest_pause_and_gives_up_soon_after() -> None:
    """By the conductor's own pauses, at their shortest and at their longest."""
    pauses = [min(2.0**n, LONGEST_PAUSE.total_seconds()) for n in range(1, LeftAlone.attempts)]
    assert sum(pauses) * 0.5 > LONGEST
    assert sum(pauses) * 1.5 < 15 * 60


def test_a_refusal_in_words_means_that_it_is_well(site: Site) -> None:
    with site.talk() as bmc:
        assert bmc.accounts is not None
        for _ in range(3):
            site.bmc.faults.add(Fault.TIME_OUT)
            for _ in range(AFTER - 1):
                with pytest.raises(BMCTimeout):
                    bmc.power_state()
            site.bmc.faults.clear()
            with pytest.raises(ProtocolError):
                bmc.accounts.set_password("nobody", Secret("x"))
        assert bmc.power_state() is PowerState.OFF
    assert site.governor.view(site.bmc.address)["failures"] == {"BMCTimeout": 9, "ProtocolError": 3}


def test_it_is_asked_at_once_after_it_was_mended(site: Site) -> None:
    silence(site)
    site.bmc.faults.clear()
    site.governor.forget(site.bmc.address)
    assert site.ask() is PowerState.OFF


# -- log-ins ---------------------------------------------------------------------------------------


def test_a_refused_log_in_is_sent_once_whoever_asks(site: Site) -> None:
    with ThreadPoolExecutor(8) as pool:
        errors = list(pool.map(lambda _: site.ask(WRONG), range(16)))
    assert all(isinstance(error, AccessDenied) for error in errors)
    assert len(site.bmc.logins) == 1
    error = site.ask(WRONG)
    assert isinstance(error, LogInRefused)
    assert str(error) == (
        "ipmi://192.0.2.1: cannot log in: it refused this log-in at 1970-01-01 00:16 UTC, and it is not sent "
        "again; give other credentials. If the BMC was changed instead, `undercloud bmc reset "
        "ipmi://192.0.2.1` has it asked at once"
    )
    assert not error.retryable


def test_nor_after_a_restart_and_nobody_can_read_it(site: Site) -> None:
    site.ask(WRONG)
    site.restart()
    assert isinstance(site.ask(WRONG), LogInRefused)
    assert site.sweep(WRONG).keys() == {site.bmc.address}
    assert len(site.bmc.logins) == 1
    assert "mistyped" not in str(site.kept)
    assert "admin" not in str(site.kept)


def test_other_credentials_are_tried_at_once(site: Site) -> None:
    site.ask(WRONG)
    assert site.ask(RIGHT) is PowerState.OFF
    assert isinstance(site.ask(WRONG), LogInRefused)


def test_few_different_log_ins_are_tried_within_a_while(site: Site) -> None:
    logins = [Credentials("admin", Secret(f"guess {n}")) for n in range(5)]
    errors = [site.ask(login) for login in logins]
    assert len(site.bmc.logins) == 2
    assert "it refused 2 different log-ins lately, and one more may lock the account" in str(errors[-1])
    assert "a further one is tried from 1970-01-01 00:31 UTC on" in str(errors[-1])
    site.clock.sleep(WINDOW + 1)
    site.ask(logins[4])
    assert len(site.bmc.logins) == 3


def test_both_protocols_of_a_bmc_share_its_accounts_and_so_what_they_refused() -> None:
    web, ipmi = Door("redfish://192.0.2.9"), Door("ipmi://192.0.2.9")
    far = Door("ipmi://192.0.2.9:6230")  # another BMC, as virtualbmc has them
    site = Site(web, ipmi, far)
    for number in range(3):
        for bmc in site.bmcs:
            site.ask(Credentials("admin", Secret(f"guess {number}")), bmc)
    assert (len(web.logins) + len(ipmi.logins), len(far.logins)) == (2, 2)
    site.restart()
    assert isinstance(site.ask(RIGHT, ipmi), LogInRefused)
    site.governor.forget(web.address)
    assert site.ask(RIGHT, ipmi) is PowerState.OFF
    site.governor.close()


def test_a_log_in_that_is_right_by_now_is_sent_when_an_operator_says_so(site: Site) -> None:
    site.ask(WRONG)
    site.bmc.credentials = WRONG
    site.governor.forget(site.bmc.address)
    assert site.ask(WRONG) is PowerState.OFF


def test_a_password_that_was_changed_meanwhile_is_sent_once_more_at_most(site: Site) -> None:
    """A driver that logs in anew by itself, as IPMI does when a session was idle for too long."""
    with site.talk() as bmc:
        site.bmc.credentials = Credentials("admin", Secret("new"))

        def refuse() -> None:
            raise LogInRefused.at(site.bmc.address, "log in", "wrong password", "correct it")

        site.bmc.when_asked = refuse
        with pytest.raises(LogInRefused):
            bmc.power_state()
    site.bmc.when_asked = lambda: None
    before = len(site.bmc.logins)
    assert isinstance(site.ask(RIGHT), LogInRefused)
    assert len(site.bmc.logins) == before


# -- the power of many -----------------------------------------------------------------------------


def rack(count: int) -> Site:
    return Site(*(Door(f"ipmi://192.0.2.{n}") for n in range(1, count + 1)))


def test_a_sweep_asks_everybody_and_tells_of_each() -> None:
    site = rack(9)
    site.bmcs[1].faults.add(Fault.TIME_OUT)
    site.bmcs[2].power = PowerState.ON
    said = site.sweep()
    assert isinstance(said.pop(site.bmcs[1].address), Unreachable)
    assert said.pop(site.bmcs[2].address) is PowerState.ON
    assert set(said.values()) == {PowerState.OFF}
    assert len(said) == 7
    assert [bmc.sessions for bmc in site.bmcs] == [0] * 9


def test_a_sweep_uses_the_session_that_is_open() -> None:
    site = rack(3)
    with site.talk() as bmc:
        bmc.power_state()
        assert len(site.sweep()) == 3
    assert [len(bmc.logins) for bmc in site.bmcs] == [1, 1, 1]
    assert [bmc.most for bmc in site.bmcs] == [1, 1, 1]


def test_who_is_left_alone_is_not_swept_either() -> None:
    site = rack(2)
    silence(site)
    before = len(site.bmc.logins)
    said = site.sweep()
    assert isinstance(said[site.bmc.address], LeftAlone)
    assert said[site.bmcs[1].address] is PowerState.OFF
    assert len(site.bmc.logins) == before


def test_sweeps_find_out_by_themselves_who_is_to_be_left_alone() -> None:
    site = rack(1)
    site.bmc.faults.add(Fault.TIME_OUT)
    kinds = [type(said).__name__ for _ in range(6) for said in site.sweep().values()]
    assert kinds == ["Unreachable"] * 4 + ["LeftAlone"] * 2


def test_who_comes_while_a_sweep_asks_waits_for_its_answer() -> None:
    site = rack(1)
    with ThreadPoolExecutor(1) as pool:
        asked: list[Any] = []

        def come() -> None:
            if not asked:
                asked.append(pool.submit(site.ask))

        site.bmc.when_asked = come
        assert list(site.sweep().values()) == [PowerState.OFF]
        assert asked[0].result() is PowerState.OFF
    assert (site.bmc.most, len(site.bmc.logins)) == (1, 2)


def test_a_sweep_that_nobody_listens_to_gives_back_whom_it_had() -> None:
    site = rack(50)
    answers = site.governor.power([site.endpoint(RIGHT, bmc) for bmc in site.bmcs])
    next(iter(answers))
    answers.close()  # type: ignore[attr-defined]
    assert len(site.sweep()) == 50


def test_a_driver_that_breaks_keeps_nobody_else_from_trying_who_was_left_alone(site: Site) -> None:
    silence(site)
    site.bmc.faults.clear()
    site.clock.sleep(5)

    def break_down() -> None:
        raise ValueError("a bug")

    site.bmc.when_login = break_down
    with pytest.raises(ValueError, match="a bug"):
        site.ask()
    site.bmc.when_login = lambda: None
    assert site.ask() is PowerState.OFF


def test_two_systems_of_one_service_are_asked_one_after_the_other() -> None:
    first, second = (Door(f"redfish://bmc7/redfish/v1/Systems/{n}") for n in (1, 2))
    site = Site(first, second)
    assert set(site.sweep().values()) == {PowerState.OFF}
    first.faults.add(Fault.TIME_OUT)
    silence(site)
    assert all(isinstance(said, LeftAlone) for said in site.sweep().values())


# -- all together ----------------------------------------------------------------------------------


def test_verbs_and_sweeps_at_the_same_time_have_one_session_each() -> None:
    site = rack(6)

    def work(number: int) -> None:
        for _ in range(15):
            bmc = site.governor.connect(site.endpoint(RIGHT, site.bmcs[number]))
            bmc.request_power(PowerAction.ON)
            bmc.close()
            if number % 2:
                site.clock.sleep(IDLE / 7)
                site.governor.reap()

    with ThreadPoolExecutor(8) as pool:
        working = [pool.submit(work, number) for number in range(6)]
        sweeping = [pool.submit(site.sweep) for _ in range(10)]
        for each in working:
            each.result()
        for swept in sweeping:
            assert len(swept.result()) == 6
    assert [bmc.most for bmc in site.bmcs] == [1] * 6
    site.governor.close()
    assert [bmc.sessions for bmc in site.bmcs] == [0] * 6


def test_ten_thousand_bmcs_cost_little_memory() -> None:
    import tracemalloc

    governor = Governor(unpaced(FakeRack().connect))
    addresses = [BMCAddress.parse(f"ipmi://10.1.{n // 250}.{n % 250}") for n in range(10_000)]
    tracemalloc.start()
    for address in addresses:
        conduct = governor.conduct(address)
        conduct.wait()
        conduct.answered(0.01)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 20e6
    assert Busy.attempts < LeftAlone.attempts
