"""Changes of power, the careful way: act, wait, read back, give up in words."""

from __future__ import annotations

import time
from collections.abc import Callable

from hwdrivers.bmc import BMC, PowerAction, PowerState
from hwdrivers.errors import BMCError, BMCTimeout, Unsupported

_POLL_SECONDS = 1.0
# Seen on real BMCs: a request that is taken and forgotten while firmware is busy. Asking anew is harmless.
_ASK_AGAIN_SECONDS = 30.0


class PowerStuck(BMCTimeout):
    """The BMC took the request, and the power stayed as it was."""


def fitting(action: PowerAction, state: PowerState) -> PowerAction | None:
    """What `action` means for a machine in `state`; None: nothing is left to do.

    A machine that is off cannot be reset, only started: iDRAC answers 409, IPMI allows completion code 0xD5,
    virtualbmc 3.3.0 says yes and does nothing.
    """
    if state is PowerState.ON:
        return None if action is PowerAction.ON else action
    return {PowerAction.ON: PowerAction.ON, PowerAction.RESET: PowerAction.ON}.get(action)


def ensure_power(
    bmc: BMC,
    state: PowerState,
    *,
    timeout: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Bring the machine to `state`; returns False when it was there already. `timeout` in seconds.

    Raises `PowerStuck` when it stays as it was, or the `BMCError` that asking raised last.
    """
    if bmc.power_state() is state:
        return False
    action = PowerAction.ON if state is PowerState.ON else PowerAction.OFF
    _reach(bmc, state, action, timeout, clock, sleep)
    return True


def shut_down(
    bmc: BMC,
    *,
    patience: float = 120.0,
    timeout: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Ask the operating system to power off, wait `patience` seconds, then cut the power.

    Returns True when the operating system did it. No operating system answers: cut after `patience`.
    """
    if bmc.power_state() is PowerState.OFF:
        return True
    try:
        _reach(bmc, PowerState.OFF, PowerAction.SOFT_OFF, patience, clock, sleep)
    except (PowerStuck, Unsupported):
        ensure_power(bmc, PowerState.OFF, timeout=timeout, clock=clock, sleep=sleep)
        return False
    return True


def power_cycle(
    bmc: BMC,
    *,
    timeout: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Off, read back, on, read back. A BMC's own power cycle cannot be read back: on before, on after."""
    ensure_power(bmc, PowerState.OFF, timeout=timeout, clock=clock, sleep=sleep)
    ensure_power(bmc, PowerState.ON, timeout=timeout, clock=clock, sleep=sleep)


def _reach(
    bmc: BMC,
    state: PowerState,
    action: PowerAction,
    timeout: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    start = asked = clock()
    bmc.request_power(action)
    while True:
        seen = _look(bmc)
        now = clock()
        if seen is state:
            return
        if now - start >= timeout:
            raise _give_up(bmc, seen, state, now - start)
        if now - asked >= _ASK_AGAIN_SECONDS and action is not PowerAction.SOFT_OFF:
            bmc.request_power(action)
            asked = now
        sleep(_POLL_SECONDS)


def _look(bmc: BMC) -> PowerState | BMCError:
    """The state, or why it is not known: a BMC that is busy switching may miss a question."""
    try:
        return bmc.power_state()
    except BMCError as error:
        if not error.retryable:
            raise
        return error


def _give_up(bmc: BMC, seen: PowerState | BMCError, wanted: PowerState, seconds: float) -> BMCError:
    if isinstance(seen, BMCError):
        return seen
    stayed = f"it stayed {'on' if seen is PowerState.ON else 'off'} for {seconds:.0f} s"
    advice = "look at the machine: a power supply, a fault light, or firmware that waits for a key"
    return PowerStuck.at(bmc.address, f"reach {wanted!s}", stayed, advice)
