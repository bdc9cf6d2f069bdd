from __future__ import annotations

import pytest
from peers import endpoint
from stopped_clock import StoppedClock

from hwdrivers.bmc import PowerAction, PowerState
from hwdrivers.errors import AccessDenied, BMCTimeout, Unreachable
from hwdrivers.fake import FakeBMC, FakeRack, Fault
from hwdrivers.power import PowerStuck, ensure_power, fitting, shut_down


class Slow(FakeBMC):
    """Takes its time: the power follows a request after `delay` seconds, and it misses some questions."""

    def __init__(self, clock: StoppedClock, delay: float, missed: int = 0) -> None:
        super().__init__(clock=clock)
        self._slow_clock, self._delay, self._missed = clock, delay, missed
        self._due: float | None = None

    def request_power(self, action: PowerAction) -> None:
        self.note(f"power {action}")
        self._due = self._due or self._slow_clock() + self._delay

    def power_state(self) -> PowerState:
        if self._due is not None and self._missed:
            self._missed -= 1
            raise BMCTimeout("busy switching")
        if self._due is not None and self._slow_clock() >= self._due:
            self.power = PowerState.ON
        return self.power


def test_it_waits_and_asks_again_after_half_a_minute(clock: StoppedClock) -> None:
    bmc = Slow(clock, delay=40, missed=3)
    assert ensure_power(bmc, PowerState.ON, timeout=60, clock=clock, sleep=clock.sleep)
    assert [deed.what for deed in bmc.deeds] == ["power on", "power on"]
    assert bmc.power is PowerState.ON


def test_a_bmc_that_goes_silent_while_switching_is_named_so(clock: StoppedClock) -> None:
    bmc = Slow(clock, delay=40, missed=1000)
    with pytest.raises(BMCTimeout, match="busy switching"):
        ensure_power(bmc, PowerState.ON, timeout=10, clock=clock, sleep=clock.sleep)


def test_a_system_that_ignores_the_request_is_cut(clock: StoppedClock) -> None:
    class Deaf(FakeBMC):
        def request_power(self, action: PowerAction) -> None:
            if action is PowerAction.SOFT_OFF:
                self.note("ignored")
            else:
                super().request_power(action)

    bmc = Deaf(power=PowerState.ON, clock=clock)
    assert shut_down(bmc, patience=90, clock=clock, sleep=clock.sleep) is False
    assert [deed.what for deed in bmc.deeds] == ["ignored", "power off"]
    assert (bmc.power, bmc.deeds[1].at) == (PowerState.OFF, 1090.0)


def test_power_that_stays(clock: StoppedClock) -> None:
    bmc = FakeBMC(faults=[Fault.POWER_STAYS], power=PowerState.ON)
    with pytest.raises(PowerStuck, match="cannot reach power off: it stayed on for 60 s"):
        ensure_power(bmc, PowerState.OFF, clock=clock, sleep=clock.sleep)


@pytest.mark.parametrize(
    ("action", "state", "wanted"),
    [
        (PowerAction.RESET, PowerState.OFF, PowerAction.ON),
        (PowerAction.RESET, PowerState.ON, PowerAction.RESET),
        (PowerAction.SOFT_OFF, PowerState.OFF, None),
        (PowerAction.OFF, PowerState.OFF, None),
        (PowerAction.ON, PowerState.ON, None),
    ],
)
def test_what_an_action_means_for_a_state(
    action: PowerAction, state: PowerState, wanted: PowerAction | None
) -> None:
    assert fitting(action, state) is wanted


def test_the_fake_rack_has_its_own_troubles() -> None:
    bmc = FakeBMC("ipmi://192.0.2.7", faults=[Fault.REFUSE_LOGIN])
    rack = FakeRack(bmc)
    with pytest.raises(AccessDenied):
        rack.connect(endpoint("ipmi://192.0.2.7", "password"))
    with pytest.raises(Unreachable):
        rack.connect(endpoint("ipmi://192.0.2.8", "password"))
    bmc.faults = {Fault.TIME_OUT}
    with pytest.raises(Unreachable):
        rack.connect(endpoint("ipmi://192.0.2.7", "password"))
    bmc.faults.clear()
    assert rack.connect(endpoint("ipmi://192.0.2.7", "password")).power_state() is PowerState.OFF
    assert bmc.logins == ["admin"] * 3
