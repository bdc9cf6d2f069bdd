"""What this model can do over IPMI: one question for each interface, since Get Device ID is often wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyghmi.ipmi.private.constants import ipmi_completion_codes

from hwdrivers.interfaces import Ability, Interface
from hwdrivers.ipmi.kept_session import KeptSession

_CHASSIS, _SENSOR, _APP, _STORAGE, _TRANSPORT = 0x00, 0x04, 0x06, 0x0A, 0x0C  # network functions
_WHAT = "learn what it can do"


def _count(answer: bytes, at: int) -> int:
    return int.from_bytes(answer[at : at + 2], "little")


def _boot(bmc: KeptSession) -> Ability:
    return _asked(bmc, _CHASSIS, 0x09, (5, 0, 0), lambda _: Ability(True))


def _mode(bmc: KeptSession) -> Ability:
    return Ability(True, "set with the boot device; IPMI does not tell which firmware runs")


def _inventory(bmc: KeptSession) -> Ability:
    fru = _asked(bmc, _STORAGE, 0x10, (0,), lambda _: Ability(True, "FRU"))
    return fru if fru.supported else Ability(True, f"firmware and vendor only; FRU: {fru.detail}")


def _sensors(bmc: KeptSession) -> Ability:
    def records(answer: bytes) -> Ability:
        return Ability(True, f"{_count(answer, 1)} records")

    repository = _asked(bmc, _STORAGE, 0x20, (), records)
    return repository if repository.supported else _asked(bmc, _SENSOR, 0x20, (), lambda _: Ability(True))


def _event_log(bmc: KeptSession) -> Ability:
    return _asked(bmc, _STORAGE, 0x40, (), lambda answer: Ability(True, f"{_count(answer, 1)} entries"))


def _led(bmc: KeptSession) -> Ability:
    def light(status: bytes) -> Ability:
        told = len(status) > 2 and status[2] & 0x40
        return Ability(True, "" if told else "not told whether it can be switched, nor its state")

    return _asked(bmc, _CHASSIS, 0x01, (), light)


def _accounts(bmc: KeptSession) -> Ability:
    def slots(access: bytes) -> Ability:
        return Ability(True, f"{access[0] & 0x3F} users at most" if access else "")

    return _asked(bmc, _APP, 0x44, (bmc.channel, 1), slots)


def _console(bmc: KeptSession) -> Ability:
    def enabled(parameter: bytes) -> Ability:
        on = len(parameter) > 1 and parameter[1] & 1
        return (
            Ability(True, "Serial over LAN")
            if on
            else Ability(False, "Serial over LAN is switched off there")
        )

    return _asked(bmc, _TRANSPORT, 0x22, (bmc.channel, 1, 0, 0), enabled)


_QUESTIONS: Mapping[Interface, Callable[[KeptSession], Ability]] = {
    Interface.BOOT_DEVICE: _boot,
    Interface.BOOT_MODE: _mode,
    Interface.INVENTORY: _inventory,
    Interface.SENSORS: _sensors,
    Interface.EVENT_LOG: _event_log,
    Interface.LED: _led,
    Interface.ACCOUNTS: _accounts,
    Interface.CONSOLE: _console,
}


def ask_abilities(bmc: KeptSession, by_protocol: Mapping[Interface, Ability]) -> dict[Interface, Ability]:
    """`by_protocol` with the model's own answers."""
    return {**by_protocol, **{name: question(bmc) for name, question in _QUESTIONS.items()}}


def _asked(
    bmc: KeptSession, netfn: int, command: int, data: tuple[int, ...], understood: Callable[[bytes], Ability]
) -> Ability:
    code, answer = bmc.answer(_WHAT, netfn, command, data)
    if code == 0:
        return understood(answer)
    words = ipmi_completion_codes.get(code, "refused")
    return Ability(False, f"it answers {code:#04x} ({words})")
