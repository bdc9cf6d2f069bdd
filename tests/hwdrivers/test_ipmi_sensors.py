"""Sensor data records as BMCs in the field send them: in parts, from elsewhere, with all their formulas."""

from __future__ import annotations

import random
from collections.abc import Sequence

import ipmi_records as records
import pytest
from lying_bmc import RIGHT, Answer, LyingBMC

from hwdrivers.errors import BMCError, Unsupported
from hwdrivers.interfaces import Health, Sensor
from hwdrivers.ipmi.sdr import Repository
from hwdrivers.ipmi.sensors import Sensors

RECORD, RESERVE, INFO, READING = (0x0A, 0x23), (0x0A, 0x22), (0x0A, 0x20), (0x04, 0x2D)
NAMES = ["CPU1 Temp", "FAN1", "12V", "CPU2 Temp", "PSU1 Status", "ME Health"]


def bmc(right: dict[tuple[int, int], Answer] | None = None) -> LyingBMC:
    return LyingBMC(random.Random(0), 0.0, right)


def names(talk: LyingBMC) -> list[str]:
    return [sensor.name for sensor in Sensors(talk, Repository(talk)).read()]


def told(*wanted: bytes) -> Answer:
    """Get SDR of a BMC that has these records only."""

    def answer(data: Sequence[int]) -> bytes:
        number = data[2] | data[3] << 8
        following = number + 1 if number + 1 < len(wanted) else 0xFFFF
        return following.to_bytes(2, "little") + wanted[number][data[4] : data[4] + data[5]]

    return answer


def one(record: bytes, reading: bytes, right: dict[tuple[int, int], Answer] | None = None) -> Sensor:
    talk = bmc({RECORD: told(record), READING: lambda _: reading, **(right or {})})
    (sensor,) = Sensors(talk, Repository(talk)).read()
    return sensor


@pytest.mark.parametrize("most", [255, 32, 16, 8])
def test_a_bmc_that_sends_no_more_than_so_many_bytes_at_once(most: int) -> None:
    def parts(data: Sequence[int]) -> bytes | int:
        return 0xCA if data[5] > most else RIGHT[RECORD](data)

    assert names(bmc({RECORD: parts})) == NAMES


def test_a_lost_reservation_is_taken_anew() -> None:
    reservations = [1]

    def reserve(_: Sequence[int]) -> bytes:
        reservations.append(reservations[-1] + 1)
        return bytes([reservations[-1], 0])

    def parts(data: Sequence[int]) -> bytes | int:
        if data[5] == 0xFF:
            return 0xCA
        if reservations[-1] == 2 and data[2] == 3:  # somebody else reserved meanwhile
            reservations.append(3)
        return RIGHT[RECORD](data) if data[0] == reservations[-1] else 0xC5

    assert names(bmc({RECORD: parts, RESERVE: reserve})) == NAMES


@pytest.mark.parametrize("code", [0xCA, 0xC5, 0xC1])
def test_a_bmc_that_always_refuses_is_not_asked_for_ever(code: int) -> None:
    talk = bmc({RECORD: lambda _: code})
    with pytest.raises(BMCError, match=f"cannot read its sensor data records: .*{code:#04x}"):
        names(talk)
    assert talk.asked < 20


def test_records_that_lead_in_a_circle_are_read_once() -> None:
    def circle(data: Sequence[int]) -> bytes | int:
        answer = RIGHT[RECORD](data)
        assert isinstance(answer, bytes)
        return (b"\x00\x00" if data[2] == 1 else answer[:2]) + answer[2:]

    assert names(bmc({RECORD: circle})) == NAMES[:2]


def test_a_bmc_without_a_repository_has_its_devices_own_records() -> None:
    talk = bmc({INFO: lambda _: 0xC1, (0x04, 0x20): lambda _: b"\x07\x01", (0x04, 0x21): RIGHT[RECORD]})
    assert names(talk) == NAMES


def test_records_are_read_again_only_when_they_have_changed() -> None:
    changes = [0]
    talk = bmc({INFO: lambda _: b"\x51\x07\x00\xff\xff" + bytes([changes[0]]) + bytes(8)})
    sensors = Sensors(talk, Repository(talk))
    first = sensors.read()
    asked = talk.asked
    assert sensors.read() == first
    again = talk.asked - asked
    changes[0] = 1
    assert sensors.read() == first
    assert talk.asked - asked - again == asked > again


def test_without_any_records_it_says_so() -> None:
    with pytest.raises(Unsupported, match="cannot read its sensor data records"):
        names(bmc({INFO: lambda _: 0xC1, (0x04, 0x20): lambda _: 0xC1}))


ALIVE = 0xC0  # flags of a reading: events and scanning are on


@pytest.mark.parametrize(
    ("more", "raw", "value", "unit"),
    [
        ({"kind": 1, "unit": 1, "signed": True}, 0xF6, -10.0, "Cel"),
        ({"kind": 2, "unit": 4, "m": 60, "exponent": -3, "b": 5}, 200, 12.005, "V"),
        ({"kind": 9, "unit": 6, "m": 4, "b": -1}, 100, 399.0, "W"),
        ({"kind": 4, "unit": 18, "m": 2, "exponent": -4, "linearization": 7}, 5, 1000.0, "RPM"),  # 1/x
        ({"kind": 0xB, "unit": 0, "percent": True}, 35, 35.0, "%"),
    ],
)
def test_formulas_and_units(more: dict[str, int], raw: int, value: float, unit: str) -> None:
    sensor = one(records.full_sensor(1, "X", **more), bytes([raw, ALIVE, 0, 0]))  # type: ignore[arg-type]
    assert (sensor.value, sensor.unit) == (value, unit)


def test_a_sensor_that_is_not_linear_is_read_with_the_factors_of_its_reading() -> None:
    factors = bytes([0, 3, 0, 0, 0, 0, 0])  # next reading, then M = 3
    record = records.full_sensor(1, "X", kind=1, unit=1, linearization=0x70, thresholds=(1, 2))
    sensor = one(record, bytes([7, ALIVE, 0, 0]), {(0x04, 0x23): lambda _: factors})
    assert (sensor.value, sensor.high_critical) == (21.0, None)
    assert one(record, bytes([7, ALIVE, 0, 0]), {(0x04, 0x23): lambda _: 0xC1}).value is None


def test_a_crossed_threshold_is_told_in_words() -> None:
    record = records.full_sensor(1, "X", kind=1, unit=1, thresholds=(5, 90))
    sensor = one(record, bytes([95, ALIVE, 0b11000, 0]))
    assert sensor.state == "upper non-critical threshold, upper critical threshold"
    assert sensor.health is Health.CRITICAL


@pytest.mark.parametrize("reading", [b"\x2a\xe0\x00\x00", b"\x2a\x80\x00", b"\x2a"])
def test_no_reading_now_is_none(reading: bytes) -> None:
    """Reading unavailable; scanning switched off; an answer that is too short."""
    sensor = one(records.full_sensor(1, "X", kind=1, unit=1), reading)
    assert (sensor.value, sensor.state, sensor.health) == (None, None, None)


def test_a_discrete_sensor_without_a_state_says_so() -> None:
    assert one(records.compact_sensor(1, "X", kind=8), bytes([0, ALIVE, 0, 0])).state == "nothing asserted"
