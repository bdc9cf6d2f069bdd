"""The rate that a BMC bears, how long callers wait, and what is remembered of its answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopped_clock import StoppedClock

from hwdrivers.address import BMCAddress
from hwdrivers.bmc import Endpoint
from hwdrivers.breaker import AFTER
from hwdrivers.conduct import LONGEST_WAIT, Conduct, Crowded, Time
from hwdrivers.credentials import ANONYMOUS
from hwdrivers.errors import BMCError, Busy, LeftAlone
from hwdrivers.fake import FakeBMC
from hwdrivers.governor import Governor
from hwdrivers.latency import Latency
from hwdrivers.pace import Pace
from hwdrivers.rate import FASTEST, SLOWEST, START

ADDRESS = BMCAddress.parse("redfish://bmc7")


class Learning:
    """A governor over a clock that stands, and what it knows of one BMC."""

    def __init__(self) -> None:
        self.clock = StoppedClock()
        time = Time(self.clock, self.clock, self.clock.sleep)
        self.governor = Governor(self._connect, clock=time)
        self.conduct: Conduct = self.governor.conduct(ADDRESS)

    def _connect(self, endpoint: Endpoint, *, pace: Pace) -> FakeBMC:
        raise AssertionError("nobody is to connect")

    def ask(self, seconds: float = 0.0) -> None:
        """One request that is answered after `seconds`."""
        self.conduct.wait()
        self.clock.now += seconds
        self.conduct.answered(seconds)

    @property
    def speed(self) -> float:
        rate: float = self.governor.view(ADDRESS)["rate"]
        return rate


@pytest.fixture
def learning() -> Iterator[Learning]:
    made = Learning()
    yield made
    made.governor.close()


def test_it_is_asked_as_fast_as_it_is_learnt_to_bear(learning: Learning) -> None:
    begun = learning.clock.now
    for _ in range(2000):
        learning.conduct.wait()
    seconds = learning.clock.now - begun
    assert 2000 / seconds == pytest.approx(START, rel=0.02)


def test_answers_make_it_faster_and_overload_twice_as_slow(learning: Learning) -> None:
    for _ in range(40):
        learning.ask()
    assert learning.speed == START + 20
    learning.conduct.overloaded(0.1, "HTTP 503")
    assert learning.speed == (START + 20) / 2
    for _ in range(10_000):
        learning.ask()
    assert learning.speed == FASTEST


def test_the_next_request_after_an_overload_waits(learning: Learning) -> None:
    learning.conduct.overloaded(0.1, "HTTP 503")
    learning.conduct.wait()
    learning.conduct.wait()
    assert learning.clock.slept == [pytest.approx(2 / START), pytest.approx(2 / START)]


@given(st.lists(st.booleans(), max_size=200))
def test_no_history_makes_it_faster_or_slower_than_the_bounds(went_well: list[bool]) -> None:
    learning = Learning()
    for well in went_well:
        if well:
            learning.conduct.answered(0.01)
        else:
            learning.conduct.overloaded(0.1, "HTTP 503")
        assert SLOWEST <= learning.speed <= FASTEST


def test_nobody_sleeps_for_longer_than_it_helps(learning: Learning) -> None:
    for _ in range(20):
        learning.conduct.overloaded(0.1, "HTTP 503")
        learning.conduct.answered(0.1)
    turns = 0
    frozen = learning.clock.now
    with pytest.raises(Crowded) as raised:
        while True:  # callers that come at the same moment
            learning.conduct.wait()
            learning.clock.now = frozen
            turns += 1
    assert 5 < turns < 30
    assert max(learning.clock.slept) <= LONGEST_WAIT
    assert "so many want to ask it that the next turn is in over 15 s" in str(raised.value)
    assert raised.value.retryable
    assert learning.governor.view(ADDRESS)["failures"] == {}


def test_requests_that_overload_it_have_it_left_alone_in_the_midst_of_a_call(learning: Learning) -> None:
    with pytest.raises(LeftAlone), learning.conduct.call():
        for _ in range(AFTER + 1):
            learning.conduct.wait()
            learning.conduct.overloaded(2.0, "HTTP 503")
    breaker = learning.governor.view(ADDRESS)["breaker"]
    assert (breaker["state"], breaker["why"]) == ("open", "HTTP 503")


def test_a_call_whose_requests_were_counted_is_not_counted_again(learning: Learning) -> None:
    def fail() -> None:
        with learning.conduct.call():
            learning.conduct.overloaded(0.1, "HTTP 503")
            raise Busy("bmc7: cannot log in: HTTP 503; try again")

    for _ in range(AFTER - 1):
        with pytest.raises(Busy):
            fail()
    view = learning.governor.view(ADDRESS)
    assert view["breaker"]["failures_in_a_row"] == AFTER - 1
    assert view["failures"] == {"Busy": AFTER - 1}


def test_latency_is_told_in_milliseconds(learning: Learning) -> None:
    for n in range(1000):
        learning.ask(0.500 if n % 10 == 9 else 0.010)
    seen = learning.governor.view(ADDRESS)["latency"]
    assert seen["count"] == 1000
    assert seen["mean"] == pytest.approx(59, rel=0.01)
    assert seen["p50"] == pytest.approx(10, rel=0.25)
    assert seen["p95"] == pytest.approx(500, rel=0.25)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_a_sketch_comes_back_as_it_was_kept(seconds: list[float]) -> None:
    sketch = Latency()
    for each in seconds:
        sketch.add(each)
    again = Latency.of(sketch.document())
    assert (again.count, again.quantile(0.5)) == (len(seconds), sketch.quantile(0.5))
    assert again.mean == pytest.approx(sketch.mean, abs=1e-5)


def test_what_a_bmc_did_long_ago_counts_less_and_less() -> None:
    sketch = Latency()
    for seconds in [1.0] * 10_000 + [0.01] * 10_000:
        sketch.add(seconds)
    assert sketch.count <= 4096
    assert sketch.quantile(0.5) == pytest.approx(0.01, rel=0.25)


def test_what_was_learnt_comes_back(learning: Learning) -> None:
    for _ in range(100):
        learning.ask(0.02)
    learning.conduct.failed(BMCError("bmc7: cannot do it: something; anything"))
    with learning.governor.news() as news:
        assert list(news) == ["bmc7 443"]
    again = Governor(learning._connect, recall=lambda: news)
    before, after = learning.governor.view(ADDRESS), again.view(ADDRESS)
    assert after == before
    with again.news() as nothing:
        assert nothing == {}


def test_news_that_could_not_be_kept_are_news_again(learning: Learning) -> None:
    learning.conduct.overloaded(0.1, "HTTP 503")
    with pytest.raises(OSError), learning.governor.news():
        raise OSError("the disk is full")
    with learning.governor.news() as news:
        assert list(news) == ["bmc7 443"]


def test_no_log_in_at_all_is_none_that_could_be_refused(learning: Learning) -> None:
    nobody = Endpoint(ADDRESS, ANONYMOUS)
    learning.conduct.login_refused(nobody)
    learning.conduct.check_login(nobody)
    assert learning.governor.view(ADDRESS)["refused_logins"] == []
