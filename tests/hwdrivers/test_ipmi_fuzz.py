"""Damaged, cut off and invented answers: a caller gets a value or a `BMCError`, and gets it soon."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import Any

import ipmi_records as records
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lying_bmc import EVENTS, LyingBMC, mangled
from peers import endpoint, ipmi_peer

from hwdrivers.bmc import PowerState
from hwdrivers.errors import BMCError, Busy
from hwdrivers.interfaces import LogEntry, Sensor
from hwdrivers.inventory import Inventory
from hwdrivers.ipmi import fru, sdr
from hwdrivers.ipmi.accounts import Accounts
from hwdrivers.ipmi.console import Stream
from hwdrivers.ipmi.driver import IPMI
from hwdrivers.ipmi.event_log import EventLog, told
from hwdrivers.ipmi.sensors import Sensors


def lying_driver(seed: int, often: float) -> tuple[IPMI, LyingBMC]:
    bmc = LyingBMC(random.Random(seed), often)
    driver = IPMI.__new__(IPMI)
    driver._bmc, driver._repository = bmc, sdr.Repository(bmc)
    return driver, bmc


seeds = given(st.integers(0, 2**32), st.sampled_from([0.02, 0.2, 1.0]))
MOST = 5000  # questions; a BMC may have many records, but not without end


@seeds
@settings(max_examples=150)
def test_sensors_and_events_of_a_liar(seed: int, often: float) -> None:
    driver, bmc = lying_driver(seed, often)
    with suppress(BMCError):
        assert all(isinstance(sensor, Sensor) for sensor in Sensors(bmc, driver._repository).read())
    log = EventLog(bmc, driver._repository, sleep=lambda _: None)
    with suppress(BMCError):
        assert all(isinstance(entry, LogEntry) and entry.message for entry in log.entries())
    with suppress(BMCError):
        log.clear()
    assert bmc.asked < MOST


@seeds
@settings(max_examples=150)
def test_identity_and_inventory_of_a_liar(seed: int, often: float) -> None:
    driver, bmc = lying_driver(seed, often)
    with suppress(BMCError):
        inventory = driver.inventory()
        assert Inventory.from_dict(inventory.to_dict()) == inventory
    with suppress(BMCError):
        driver.abilities()
    with suppress(BMCError):
        driver.boot_device()
    with suppress(BMCError):
        Accounts(bmc).all()
    assert bmc.asked < MOST


def test_the_same_bmc_when_it_tells_the_truth() -> None:
    """Or the tests above would pass for one that never answers."""
    driver, bmc = lying_driver(0, 0.0)
    assert len(Sensors(bmc, driver._repository).read()) == 6
    assert len(EventLog(bmc, driver._repository).entries()) == len(EVENTS)
    assert driver.inventory().power_supplies[0].capacity_watts == 750
    assert Accounts(bmc).all()[0].username == "admin"


@given(st.binary(max_size=70))
@example(records.SENSORS[0][0][:-1])
@example(bytes.fromhex("0100 51 11 10 200180 00 00 1000 0a01 00 86 29dca6 29dca6"))
def test_any_bytes_are_a_record_or_none(record: bytes) -> None:
    entry = sdr.decoded(record)
    assert entry is None or isinstance(entry.name, str)


def test_packed_ascii_is_read() -> None:
    """The example of IPMI 2.0 section 43.16; pyghmi never comes back from it."""
    record = records.fru_locator(1, "", device=1, entity=10)[:-1] + bytes.fromhex("83 29dca6")
    entry = sdr.decoded(record)
    assert entry is not None
    assert entry.name == "IPMI"


@given(st.binary(max_size=30))
def test_any_bytes_are_an_event(record: bytes) -> None:
    assert told(record, UTC, {}).message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_fru(area: bytes) -> None:
    assert fru.parsed(area).keys() is not None
    assert fru.watts(area) is None or fru.watts(area) > 0


def test_a_damaged_area_costs_its_own_fields_only() -> None:
    area = bytearray(records.FRUS[0])
    area[area[3] * 8] = 0x0F  # the board's format
    fields = fru.parsed(bytes(area))
    assert fields["Serial Number"] == "NODE-SERIAL-1"
    assert fields["Chassis serial number"] == "CHASSIS-77"
    assert "Board serial number" not in fields


@contextmanager
def mangling(port: int, chance: random.Random, which: int, to: int) -> Iterator[int]:
    """The port of a relay to a BMC that damages the answers with the numbers `which` to `to`."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back,
    ):
        front.bind(("127.0.0.1", 0))
        back.connect(("127.0.0.1", port))
        clients: list[Any] = []

        def ask() -> None:
            while packet := front.recvfrom(3000):
                clients.append(packet[1])
                if packet[0] == b"end":
                    return
                back.send(packet[0])

        def answer() -> None:
            for number in range(1000):
                packet = back.recv(3000)
                front.sendto(mangled(packet, chance) if which <= number < to else packet, clients[-1])

        threads = [threading.Thread(target=run, daemon=True) for run in (ask, lambda: _until_closed(answer))]
        for thread in threads:
            thread.start()
        try:
            yield front.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as poke:
                poke.sendto(b"end", front.getsockname())
            threads[0].join()
            back.shutdown(socket.SHUT_RDWR)
            threads[1].join()


def _until_closed(run: Callable[[], None]) -> None:
    with suppress(OSError):
        run()


@pytest.fixture(scope="module")
def peer_port() -> Iterator[int]:
    with ipmi_peer() as peer:
        yield peer.port


def _status(port: int) -> PowerState | type[BMCError]:
    bmc = IPMI(endpoint(f"ipmi://127.0.0.1:{port}"), waits=(0.05, 0.05))
    try:
        return bmc.power_state()
    finally:
        bmc.close()


@given(st.integers(0, 2**32), st.integers(0, 6), st.integers(1, 3))
@settings(max_examples=25)
def test_damaged_packets_of_a_handshake(peer_port: int, seed: int, which: int, count: int) -> None:
    with (
        mangling(peer_port, random.Random(seed), which, which + count) as port,
        ThreadPoolExecutor(1) as pool,
        suppress(BMCError),
    ):
        assert pool.submit(_status, port).result(timeout=60) is PowerState.OFF


def test_endless_refusals_and_floods_end() -> None:
    """A BMC that answers every question with 0xCC makes pyghmi ask again at once, for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar:
        liar.bind(("127.0.0.1", 0))

        def lie() -> None:
            while True:
                packet, client = liar.recvfrom(3000)
                if packet == b"end":
                    return
                body = bytes([0x20, packet[18], 0x38, 0xCC])
                answer = b"\x81\x1c\x63" + body + bytes([-sum(body) & 0xFF])
                liar.sendto(packet[:13] + bytes([len(answer)]) + answer, client)
                liar.sendto(b"\x06\x00\xff\x07" + bytes(30), client)

        thread = threading.Thread(target=lie, daemon=True)
        thread.start()
        with pytest.raises(BMCError):
            _status(liar.getsockname()[1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as poke:
            poke.sendto(b"end", liar.getsockname())
        thread.join()


class Cable:
    """Where a console's packets go to; remembers them. `acknowledgements`: (status, bytes taken)."""

    def __init__(self, acknowledgements: Sequence[tuple[int, int]] = ()) -> None:
        self.sent: list[bytes] = []
        self.typed = b""
        self.acknowledgements = list(acknowledgements)
        self.received: Callable[[bytes], None] = lambda _: None

    def carry_console(self, received: Callable[[bytes], None]) -> None:
        self.received = received

    def send_console(self, payload: bytes) -> None:
        self.sent.append(payload)
        if payload[0] and self.acknowledgements:  # typed
            status, taken = self.acknowledgements.pop(0)
            self.typed += payload[4 : 4 + (taken if status else len(payload))]
            self.received(bytes([0, payload[0], taken, status]))

    def wait(self, seconds: float) -> bool:
        return False

    def command(self, *_: object) -> dict[str, Any]:
        return {"code": 0xC1, "data": b""}

    def hang_up(self) -> None:
        return None


@given(st.lists(st.binary(max_size=12), max_size=20))
@example([b"\x01\x00\x00\x00abc", b"\x01\x00\x00\x00abcde", b"\x02\x00\x00\x10"])
def test_any_console_packets(packets: list[bytes]) -> None:
    cable = Cable()
    console = Stream(LyingBMC(random.Random(0), 0.0), cable, 16, 25.0)  # type: ignore[arg-type]
    heard = b""
    try:
        for packet in packets:
            cable.received(packet)
            heard += console.read(0)
    except (BMCError, Busy):
        pass
    console.close()
    assert len(heard) <= sum(len(packet) for packet in packets)
    assert all(sent[0] == 0 for sent in cable.sent)  # acknowledgements only: nothing was typed


def test_a_packet_that_comes_again_with_more_is_read_on() -> None:
    cable = Cable()
    console = Stream(LyingBMC(random.Random(0), 0.0), cable, 16, 25.0)  # type: ignore[arg-type]
    for packet in (b"\x01\x00\x00\x00abc", b"\x01\x00\x00\x00abc", b"\x01\x00\x00\x00abcde"):
        cable.received(packet)
    assert console.read(0) == b"abcde"
    assert cable.sent == [b"\x00\x01\x03\x00", b"\x00\x01\x03\x00", b"\x00\x01\x05\x00"]
    console.close()


def test_what_was_taken_in_part_is_typed_on() -> None:
    nack = 0x40
    cable = Cable([(nack, 3), (nack, 0), (0, 0), (nack, 5), (0, 0)])
    console = Stream(LyingBMC(random.Random(0), 0.0), cable, 16, 25.0)  # type: ignore[arg-type]
    console.write(b"0123456789abcdef0123456789")
    assert cable.typed == b"0123456789abcdef0123456789"
    assert [sent[0] for sent in cable.sent] == [1, 2, 3, 4, 5]
    console.close()


def test_a_bmc_that_takes_nothing_is_not_asked_for_ever() -> None:
    cable = Cable([(0x40, 0)] * 100)
    console = Stream(LyingBMC(random.Random(0), 0.0), cable, 16, 25.0)  # type: ignore[arg-type]
    with pytest.raises(Busy, match="it did not take what was typed, 6 times"):
        console.write(b"reboot")
    assert len(cable.sent) == 6
    assert console.read(0) == b""  # it is still open
    console.close()


def test_what_is_typed_while_the_machine_is_off_is_lost_as_on_a_cable() -> None:
    cable = Cable([(0x60, 0)])
    console = Stream(LyingBMC(random.Random(0), 0.0), cable, 16, 25.0)  # type: ignore[arg-type]
    console.write(b"reboot")
    assert (len(cable.sent), cable.typed) == (1, b"")
    console.close()
