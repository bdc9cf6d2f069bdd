"""What a simulated BMC answers to IPMI commands in a session. Numbers: IPMI 2.0 appendix G."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vmlab.simulator.fleet import Fleet
from vmlab.simulator.ipmi.session import Session
from vmlab.simulator.machine import Machine
from vmlab.simulator.personality import Personality

OK = b"\x00"
# Completion codes, table 5-2.
BUSY, INVALID_COMMAND, BAD_LENGTH, OUT_OF_RANGE = b"\xc0", b"\xc1", b"\xc7", b"\xc9"
NOT_PRESENT, INVALID_DATA, NO_PRIVILEGE = b"\xcb", b"\xcc", b"\xd4"
USER, OPERATOR, ADMINISTRATOR = 2, 3, 4


@dataclass(slots=True)
class Asked:
    machine: Machine
    session: Session
    data: bytes
    fleet: Fleet
    #: Sends a serial-over-LAN payload to the session.
    console: Callable[[bytes], None]

    @property
    def personality(self) -> Personality:
        return self.machine.personality


Answer = Callable[[Asked], bytes]
#: By network function << 8 | command: the privilege that it takes, and who answers.
COMMANDS: dict[int, tuple[int, Answer]] = {}


def command(function: int, number: int, privilege: int = USER) -> Callable[[Answer], Answer]:
    def put(answer: Answer) -> Answer:
        COMMANDS[function << 8 | number] = privilege, answer
        return answer

    return put


def answer(key: int, asked: Asked) -> bytes:
    """Completion code and data."""
    known = COMMANDS.get(key)
    if known is None:
        return INVALID_COMMAND
    if known[0] > asked.session.privilege:
        return NO_PRIVILEGE
    try:
        return known[1](asked)
    except IndexError:
        return BAD_LENGTH


# --- application


@command(0x06, 0x01)
def device_id(asked: Asked) -> bytes:
    told = asked.personality.ipmi
    major, _, minor = told.firmware.partition(".")
    digits = int(f"{int(minor[:2] or 0):02d}", 16)  # BCD
    makers = told.manufacturer.to_bytes(3, "little") + told.product.to_bytes(2, "little")
    # Device 20h, revision 1; IPMI 2.0; it has sensors, SDR, SEL, FRU and chassis.
    return OK + bytes((0x20, 0x01, int(major) & 0x7F, digits, 0x02, 0x8F)) + makers + bytes(4)


@command(0x06, 0x02, ADMINISTRATOR)
def cold_reset(asked: Asked) -> bytes:
    asked.machine.done.append("bmc reset")
    asked.machine.reboot_bmc(asked.fleet.now() + 10.0)
    return OK


@command(0x06, 0x04)
def self_test(asked: Asked) -> bytes:
    return OK + b"\x55\x00"  # no error


@command(0x06, 0x08)
@command(0x06, 0x37)
def guid(asked: Asked) -> bytes:
    return OK + asked.personality.guid(asked.machine)


@command(0x06, 0x3B)
def set_privilege(asked: Asked) -> bytes:
    wanted = asked.data[0] & 0xF
    if wanted > ADMINISTRATOR or wanted > asked.session.role & 0xF:
        return b"\x81"
    if wanted:
        asked.session.privilege = wanted
    return OK + bytes((asked.session.privilege,))


@command(0x06, 0x3C)
def close_session(asked: Asked) -> bytes:
    number = int.from_bytes(asked.data[:4], "little")
    for session in asked.machine.sessions:
        if number in (0, session.id):
            asked.machine.sessions.remove(session)
            return OK
    return b"\x87"


@command(0x06, 0x3D)
def session_info(asked: Asked) -> bytes:
    slots = asked.fleet.settings.ipmi_sessions
    active = len(asked.machine.sessions)
    return OK + bytes((1, slots, active, 2, asked.session.privilege, 0x11))


# --- chassis

_DEVICES = {0: "None", 1: "Pxe", 2: "Hdd", 3: "Hdd", 5: "Cd", 6: "BiosSetup", 15: "Floppy"}
_CONTROL = {0: "off", 1: "on", 2: "cycle", 3: "reset", 5: "soft"}


@command(0x00, 0x01)
def chassis_status(asked: Asked) -> bytes:
    # Restores its last power state; identify is supported (bit 6) and is off or on.
    identify = 0x40 | (0x20 if asked.machine.led else 0)
    return OK + bytes((0x20 | asked.machine.told_on(asked.fleet.now()), 0, identify, 0))


@command(0x00, 0x02, OPERATOR)
def chassis_control(asked: Asked) -> bytes:
    what = _CONTROL.get(asked.data[0] & 0xF)
    if what is None:
        return INVALID_DATA
    now = asked.fleet.now()
    if what in ("cycle", "reset") and not asked.machine.is_on(now):
        return b"\xd5"  # not in this state: section 28.3
    asked.machine.ask_power(what, now)
    return OK


@command(0x00, 0x04, OPERATOR)
def identify(asked: Asked) -> bytes:
    seconds, forced = (*asked.data, 15, 0)[:2] if len(asked.data) != 1 else (asked.data[0], 0)
    asked.machine.led = bool(seconds or forced & 1)
    asked.machine.done.append(f"led {'on' if asked.machine.led else 'off'}")
    return OK


@command(0x00, 0x08, OPERATOR)
def set_boot_options(asked: Asked) -> bytes:
    if asked.data[0] & 0x7F != 5:
        return OK  # set in progress, acknowledge, initiator: taken and not needed
    flags = asked.data[1:6]
    if len(flags) < 5:
        return BAD_LENGTH
    machine = asked.machine
    machine.boot_flags = flags
    target = _DEVICES.get(flags[1] >> 2 & 0xF, "None")
    enabled = "Continuous" if flags[0] & 0x40 else "Once"
    machine.boot = {
        "BootSourceOverrideTarget": target,
        "BootSourceOverrideEnabled": enabled if flags[0] & 0x80 and target != "None" else "Disabled",
        "BootSourceOverrideMode": "UEFI" if flags[0] & 0x20 else "Legacy",
    }
    machine.done.append(f"boot {target}")
    return OK


@command(0x00, 0x09, OPERATOR)
def boot_options(asked: Asked) -> bytes:
    parameter = asked.data[0] & 0x7F
    if parameter == 5:
        return OK + b"\x01\x05" + asked.machine.boot_flags
    return OK + bytes((1, parameter, 0)) if parameter in (0, 4) else b"\x80"
