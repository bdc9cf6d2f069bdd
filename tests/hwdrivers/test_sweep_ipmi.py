from __future__ import annotations

import itertools
import logging
import shutil
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import PASSWORD, endpoint, ipmi_peer
from simulated import Settings, Simulation, ipmi
from stopped_clock import StoppedClock
from udp_relay import (
    OPEN_REQUEST,
    OPEN_RESPONSE,
    RAKP1,
    RAKP2,
    RAKP3,
    RAKP4,
    SEALED,
    Spoil,
    changes,
    flipped,
    kind_of,
    loses_first,
    relay,
)

from hwdrivers.bmc import Endpoint, PowerState
from hwdrivers.connect import connect
from hwdrivers.errors import (
    AccessDenied,
    BMCError,
    BMCTimeout,
    Busy,
    ProtocolError,
    Unreachable,
    Unsupported,
)
from hwdrivers.ipmi.rmcp import GET_CHANNEL_AUTH
from hwdrivers.sweep import Sweep

IMPATIENT = (0.05, 0.1, 0.2)
LOSSY = (0.2, 0.4, 0.6)  # where an answer must come, also on a busy machine
OTHERS = itertools.cycle([f"127.64.1.{last}" for last in range(1, 130)])  # BMCs with fresh session tables


@pytest.fixture(scope="module")
def fleet() -> Iterator[Simulation]:
    with Simulation(Settings(bmcs=400, redfish_port=None)) as fleet:
        yield fleet


@pytest.fixture
def bmc(fleet: Simulation) -> Iterator[str]:
    """The address of one that no other test has to do with."""
    address = fleet.addresses[-1]
    yield address
    fleet.clear()


@contextmanager
def sweeping(waits: Sequence[float] = IMPATIENT) -> Iterator[Sweep]:
    sweep = Sweep(waits=waits)
    try:
        yield sweep
    finally:
        sweep.close()


def told(sweep: Sweep, asked: Endpoint) -> PowerState | BMCError:
    (answer,) = sweep.power([asked])
    assert answer[0] is asked
    return answer[1]


def right(address: str) -> Endpoint:
    """With the simulator's password."""
    return endpoint(address, password=Settings().password)


def at(fleet: Simulation, address: str, **credentials: str) -> Endpoint:
    return ipmi(fleet, fleet.addresses.index(address), **credentials)


def test_a_fleet_logs_in_once_and_is_asked_by_one_packet_from_then_on(fleet: Simulation) -> None:
    endpoints = [ipmi(fleet, number) for number in range(250)]
    on = set(fleet.addresses[:250:7])
    for address in on:
        fleet.press_power(address, True)
    before = fleet.totals()
    with sweeping((2.0, 2.0, 2.0)) as sweep:
        first = list(sweep.power(endpoints))
        after_first = fleet.totals()
        second = list(sweep.power(endpoints))
        after_second = fleet.totals()
    for answers in (first, second):
        assert {each.address.host for each, power in answers if power is PowerState.ON} == on
        assert sum(power is PowerState.OFF for _, power in answers) == 250 - len(on)
    assert after_first["logins"] - before["logins"] == 250
    assert after_second["logins"] == after_first["logins"]
    assert after_second["requests"] - after_first["requests"] == 250
    assert fleet.totals()["sessions_most"] == 1
    assert fleet.totals()["sessions"] == 0, "closed in the end"


def test_the_bmc_that_takes_sha1_whatever_is_offered() -> None:
    """virtualbmc, by pyghmi's server class; it also keeps a session for each port that it ever heard from."""
    with ipmi_peer() as peer, sweeping((1.0, 1.0, 1.0)) as sweep:
        assert told(sweep, endpoint(peer.address)) is PowerState.OFF
        assert told(sweep, endpoint(peer.address)) is PowerState.OFF
        assert peer.state()["logins"] == ["admin"]
        sweep.forget(endpoint(peer.address).address)
        assert told(sweep, endpoint(peer.address)) is PowerState.OFF
        assert peer.state()["logins"] == ["admin", "admin"]


@pytest.mark.skipif(shutil.which("ipmi_sim") is None, reason="Debian's openipmi is not installed")
def test_ipmi_sim_answers_both_suites(tmp_path: Path) -> None:
    from peers import ipmi_sim_peer

    with ipmi_sim_peer(tmp_path) as peer, sweeping((1.0, 1.0, 1.0)) as sweep:
        for _ in range(2):
            assert told(sweep, endpoint(peer.address)) is PowerState.OFF
        assert peer.state()["logins"] == ["admin"]
        assert isinstance(told(sweep, endpoint(peer.address, password="battery staple")), AccessDenied)


def test_an_idle_session_is_not_trusted(fleet: Simulation, bmc: str, clock: StoppedClock) -> None:
    sweep = Sweep(waits=IMPATIENT, clock=clock)
    logins = fleet.remembered(bmc)["logins"]
    for pause, more in ((0, 1), (49, 1), (49, 1), (51, 2)):
        clock.sleep(pause)
        assert told(sweep, at(fleet, bmc)) is PowerState.OFF
        assert fleet.remembered(bmc)["logins"] == logins + more
    sweep.close()


def test_a_bmc_that_was_reset_is_logged_in_to_again(fleet: Simulation, bmc: str) -> None:
    with sweeping(LOSSY) as sweep:
        assert told(sweep, at(fleet, bmc)) is PowerState.OFF
        logins = fleet.remembered(bmc)["logins"]
        fleet.fault("reboot=0", bmc)
        assert told(sweep, at(fleet, bmc)) is PowerState.OFF
        assert fleet.remembered(bmc)["logins"] == logins + 1


def test_a_wrong_password_is_sent_once(fleet: Simulation, bmc: str) -> None:
    logins = fleet.remembered(bmc)["logins"]
    with sweeping(LOSSY) as sweep:
        for _ in range(3):
            error = told(sweep, at(fleet, bmc, password="battery staple"))
            assert isinstance(error, AccessDenied)
            assert "Incorrect password provided; correct the credentials" in str(error)
        assert fleet.remembered(bmc)["logins"] == logins + 1
        assert told(sweep, at(fleet, bmc)) is PowerState.OFF, "another one is tried"
        sweep.forget(at(fleet, bmc).address)
        assert isinstance(told(sweep, at(fleet, bmc, password="battery staple")), AccessDenied)
        assert fleet.remembered(bmc)["logins"] == logins + 3, "and the same one when it was forgotten"


def test_a_user_that_is_not_there(fleet: Simulation, bmc: str) -> None:
    with sweeping() as sweep:
        error = told(sweep, at(fleet, bmc, username="nobody"))
        assert isinstance(error, AccessDenied)
        assert "Unauthorized name in RAKP2; the user does not exist there" in str(error)
        assert isinstance(told(sweep, at(fleet, bmc, username="n" * 17)), AccessDenied)
        assert isinstance(told(sweep, at(fleet, bmc, username="", password="")), AccessDenied)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("silent", Unreachable, "cannot log in: no answer within 0.35 s"),
        ("full", Busy, "all its sessions are in use"),
        ("busy", Busy, "cannot read the power state: Node Busy"),
        ("checksum", BMCTimeout, "it answered before, and now not"),
        ("integrity", BMCTimeout, "it answered before, and now not"),
    ],
)
def test_faults_are_told_in_the_drivers_words(
    fleet: Simulation, bmc: str, fault: str, kind: type[BMCError], words: str
) -> None:
    fleet.fault(fault, bmc)
    with sweeping() as sweep:
        error = told(sweep, at(fleet, bmc))
    assert type(error) is kind
    assert words in str(error)
    assert error.retryable


def test_a_bmc_that_falls_silent_is_given_up_and_comes_back(fleet: Simulation, bmc: str) -> None:
    with sweeping(LOSSY) as sweep:
        assert told(sweep, at(fleet, bmc)) is PowerState.OFF
        fleet.fault("silent", bmc)
        requests = fleet.remembered(bmc)["requests"]
        assert isinstance(told(sweep, at(fleet, bmc)), Unreachable)
        assert fleet.remembered(bmc)["requests"] == requests
        fleet.clear()
        assert told(sweep, at(fleet, bmc)) is PowerState.OFF


def test_a_silent_user_name_is_told_twice() -> None:
    with ipmi_peer() as peer, sweeping() as sweep:
        error = told(sweep, endpoint(peer.address, username="nobody"))
        assert isinstance(error, AccessDenied)
        assert "it fell silent when it was told the user name 'nobody'" in str(error)
        assert peer.state()["logins"] == ["nobody", "nobody"]


def test_the_same_words_as_the_driver(fleet: Simulation, bmc: str) -> None:
    fleet.fault("full", bmc)
    asked = [
        at(fleet, bmc),
        at(fleet, fleet.addresses[-2], password="battery staple"),
        endpoint("ipmi://127.0.0.1:9"),
        endpoint("ipmi://nowhere.invalid"),
    ]
    with sweeping() as sweep:
        answers = {each: str(error) for each, error in sweep.power(asked)}
    for each in asked:
        with pytest.raises(BMCError) as caught:
            connect(each).power_state()
        assert answers[each] == str(caught.value)


# --- a network that loses, doubles and changes packets


@contextmanager
def spoiled(
    fleet: Simulation, *, to_bmc: Spoil | None = None, to_client: Spoil | None = None
) -> Iterator[Endpoint]:
    changed = {name: way for name, way in (("to_bmc", to_bmc), ("to_client", to_client)) if way}
    port = fleet.ipmi_port
    assert port is not None
    with relay(port, next(OTHERS), **changed) as between:
        yield right(between.address)


@pytest.mark.parametrize("kind", [OPEN_REQUEST, RAKP1, RAKP3, SEALED])
def test_one_lost_question_changes_nothing(fleet: Simulation, kind: int) -> None:
    with spoiled(fleet, to_bmc=loses_first(kind)) as asked, sweeping(LOSSY) as sweep:
        assert [told(sweep, asked), told(sweep, asked)] == [PowerState.OFF] * 2


@pytest.mark.parametrize("kind", [OPEN_RESPONSE, RAKP2, RAKP4, SEALED])
def test_one_lost_answer_changes_nothing(fleet: Simulation, kind: int) -> None:
    with spoiled(fleet, to_client=loses_first(kind)) as asked, sweeping(LOSSY) as sweep:
        assert [told(sweep, asked), told(sweep, asked)] == [PowerState.OFF] * 2


def test_doubled_packets_change_nothing(fleet: Simulation) -> None:
    twice: Spoil = lambda packet: [packet, packet]  # noqa: E731
    with spoiled(fleet, to_bmc=twice, to_client=twice) as asked, sweeping((1.0,) * 3) as sweep:
        assert [told(sweep, asked) for _ in range(70)] == [PowerState.OFF] * 70


def test_an_answer_that_was_held_back_is_not_taken_for_the_next_one(fleet: Simulation) -> None:
    held: list[bytes] = []

    def late(packet: bytes) -> list[bytes]:
        """Each status comes after the one that was asked for later."""
        if kind_of(packet) != SEALED:
            return [packet]
        held.append(packet)
        return [packet, *held[:-1]]

    address = fleet.addresses[-5]
    with relay(fleet.ipmi_port or 0, address, to_client=late) as between, sweeping((1.0,) * 3) as sweep:
        asked = right(between.address)
        for on in (True, False) * 35:  # the request's number comes round after 64
            fleet.press_power(address, on)
            assert told(sweep, asked) is (PowerState.ON if on else PowerState.OFF)
    assert len(held) >= 70


def test_every_message_is_sent_three_times_at_most(fleet: Simulation) -> None:
    with (
        relay(fleet.ipmi_port or 0, fleet.addresses[-3], to_bmc=lambda _: []) as between,
        sweeping() as sweep,
    ):
        assert isinstance(told(sweep, right(between.address)), Unreachable)
        assert between.seen == [OPEN_REQUEST, None, OPEN_REQUEST]


@pytest.mark.parametrize(
    ("kind", "byte", "error", "words"),
    [
        (OPEN_RESPONSE, 32, ProtocolError, "it chose authentication 2 and integrity 4"),
        (RAKP2, -1, AccessDenied, "Incorrect password provided"),
        (RAKP2, 30, AccessDenied, "Incorrect password provided"),
        (RAKP4, -1, AccessDenied, "Invalid RAKP4 integrity code"),
        (RAKP2, 20, AccessDenied, "it fell silent when it was told the user name"),
        (RAKP4, 16, BMCTimeout, "it answered before, and now not"),
        (SEALED, -1, BMCTimeout, "it answered before, and now not"),
        (SEALED, 40, BMCTimeout, "it answered before, and now not"),
    ],
    ids=lambda value: value if isinstance(value, int) else "",
)
def test_lies_are_not_believed(
    fleet: Simulation, kind: int, byte: int, error: type[BMCError], words: str
) -> None:
    with spoiled(fleet, to_client=changes(kind, flipped(byte))) as asked, sweeping() as sweep:
        answer = told(sweep, asked)
    assert isinstance(answer, error)
    assert words in str(answer)


def test_a_refusal_in_rakp_is_told(fleet: Simulation) -> None:
    def role(packet: bytes) -> bytes:
        return packet[:16] + bytes((packet[16], 0x09)) + packet[18:24]

    with spoiled(fleet, to_client=changes(RAKP2, role)) as asked, sweeping() as sweep:
        assert "Invalid role in RAKP2" in str(told(sweep, asked))


def test_strangers_are_not_heard(fleet: Simulation) -> None:
    """The right answer from the wrong port is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        sent = []

        def from_elsewhere(packet: bytes) -> list[bytes]:
            sent.append(stranger.sendto(packet, between.client))
            return []

        with relay(fleet.ipmi_port or 0, next(OTHERS), to_client=from_elsewhere) as between:
            with sweeping() as sweep:
                assert isinstance(told(sweep, right(between.address)), Unreachable)
            assert len(sent) == 3


def test_a_bmc_of_ipmi_1_5_is_named() -> None:
    header = bytes.fromhex("0600ff07 00 00000000 00000000 10")
    message = bytes.fromhex("811c63 20003800 01 15 00 00 000000 00")
    answer = header + message + bytes((-sum(message[3:]) & 0xFF,))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as old, ThreadPoolExecutor(1) as pool:
        old.bind(("127.0.0.1", 0))
        old.settimeout(5)
        with sweeping(LOSSY) as sweep:
            coming = pool.submit(told, sweep, right(f"ipmi://127.0.0.1:{old.getsockname()[1]}"))
            assert kind_of(old.recv(3000)) == OPEN_REQUEST
            question, peer = old.recvfrom(3000)
            assert question == GET_CHANNEL_AUTH
            old.sendto(answer, peer)
            error = coming.result()
    assert isinstance(error, Unsupported)
    assert "it speaks IPMI 1.5 only" in str(error)


# --- rubbish


@st.composite
def spoilers(draw: st.DrawFn) -> Spoil:
    """What one hostile BMC answers to each packet: bits flipped, cut, lengthened, out of thin air."""
    rubbish = draw(st.lists(st.binary(max_size=120), max_size=3))
    cut = draw(st.integers(0, 120))
    flips = draw(st.lists(st.integers(0, 119), max_size=3))
    kinds = draw(st.sets(st.sampled_from([OPEN_RESPONSE, RAKP2, RAKP4, SEALED])))
    header = draw(st.sampled_from([b"", b"\x06\x00\xff\x07", b"\x06\x00\xff\x07\x06"]))

    def spoil(packet: bytes) -> list[bytes]:
        extra = [header + each for each in rubbish]
        if kind_of(packet) not in kinds:
            return [*extra, packet]
        for at in flips:
            packet = flipped(at)(packet)
        return [*extra, packet[:cut], packet + packet[:cut]]

    return spoil


@given(spoilers())
@settings(max_examples=30)
def test_rubbish_breaks_no_sweep(fleet: Simulation, spoil: Spoil) -> None:
    complaints: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = complaints.append  # type: ignore[method-assign]
    logging.getLogger("asyncio").addHandler(handler)
    with spoiled(fleet, to_client=spoil) as asked, sweeping((0.02, 0.02, 0.02)) as sweep:
        neighbour = at(fleet, fleet.addresses[-4])
        answers = dict(sweep.power([asked, neighbour]))
    logging.getLogger("asyncio").removeHandler(handler)
    assert isinstance(answers[asked], PowerState | BMCError)
    assert answers[neighbour] in (PowerState.OFF,) or isinstance(answers[neighbour], BMCTimeout | Unreachable)
    assert not complaints


def test_a_password_shows_up_nowhere(fleet: Simulation, bmc: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), sweeping() as sweep:
        assert told(sweep, at(fleet, bmc)) is PowerState.OFF
        error = told(sweep, at(fleet, bmc, password="battery staple"))
        assert isinstance(error, BMCError)
        assert error.__traceback__ is None
    for text in (caplog.text, repr(error)):
        assert PASSWORD not in text
        assert "battery staple" not in text
